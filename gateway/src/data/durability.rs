//! When a chunk's shards are durable enough to be acknowledged.
//!
//! A site is *in service* for a chunk while at least `k + 1` of its shards are durable or may still
//! become so. The rule: some site is in service, and every site in service has `k + 1` durable
//! shards. So either site alone rebuilds the chunk and has one to spare; with a site out, the other
//! does. What is not durable is owed, and recorded with the commit.

use riquet_cluster::profile::Profile;

/// How far one shard's write has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// On its way.
    Pending,
    /// Acknowledged by its node after an fsync.
    Durable,
    /// It will not be there.
    Failed,
}

/// What the shards' progress amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Can still go either way.
    Open,
    /// The rule holds.
    Durable,
    /// The rule can't be met any more.
    Lost,
}

/// Judges the shards of one chunk, given by index.
pub(super) fn judge(profile: &Profile, shards: &[Progress]) -> Verdict {
    assert_eq!(shards.len(), profile.total(), "one progress for each shard");
    let enough = profile.k() + 1;
    let mut in_service = 0;
    let mut satisfied = 0;
    for position in 0..profile.sites.len() {
        let site = &shards[profile.shards_at(position)];
        let count = |p| site.iter().filter(|s| **s == p).count();
        let durable = count(Progress::Durable);
        if durable + count(Progress::Pending) >= enough {
            in_service += 1;
            satisfied += usize::from(durable >= enough);
        }
    }
    match (in_service, satisfied) {
        (0, _) => Verdict::Lost,
        (in_service, satisfied) if in_service == satisfied => Verdict::Durable,
        _ => Verdict::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riquet_cluster::profile::{ProfileId, SiteId};

    fn judge_text(text: &str) -> Verdict {
        let profile = Profile {
            id: ProfileId(0),
            name: "2/4".into(),
            data: 2,
            per_site: 4,
            sites: vec![SiteId(0), SiteId(1)],
            cell_size: 64,
            chunk_size: 128,
        };
        let shards: Vec<Progress> = text
            .bytes()
            .filter(|b| *b != b' ')
            .map(|b| match b {
                b'+' => Progress::Durable,
                b'.' => Progress::Pending,
                _ => Progress::Failed,
            })
            .collect();
        judge(&profile, &shards)
    }

    #[test]
    fn both_sites_in_service_both_need_one_to_spare() {
        assert_eq!(judge_text("++++ ++++"), Verdict::Durable);
        assert_eq!(judge_text("+++x +++x"), Verdict::Durable);
        assert_eq!(judge_text("++++ ++.."), Verdict::Open);
        assert_eq!(judge_text("++++ ++.x"), Verdict::Open);
    }

    #[test]
    fn a_site_out_of_service_does_not_hold_the_other_up() {
        assert_eq!(judge_text("++++ xxxx"), Verdict::Durable);
        assert_eq!(judge_text("xxxx +++."), Verdict::Durable);
        assert_eq!(judge_text("++xx +++x"), Verdict::Durable);
        assert_eq!(judge_text("xxxx ++.."), Verdict::Open);
    }

    #[test]
    fn without_a_site_in_service_nothing_is_acknowledged() {
        assert_eq!(judge_text("++xx ++xx"), Verdict::Lost);
        assert_eq!(judge_text("xxxx x+x."), Verdict::Lost);
    }
}
