//! Which voter is to take over each group when a site is lost: decided from what the voters that
//! answer tell of themselves. [`crate::raft`] says why this loses nothing.

use std::collections::BTreeSet;

use crate::id::GroupId;
use crate::voters::{GroupView, PromoteRequest, Voter, VoterStatus};

/// One group's promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The voter to be asked.
    pub voter: Voter,
    /// What it is to be asked.
    pub request: PromoteRequest,
}

/// Why a site can't go on alone. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPromotable {
    /// No voter that answers knows of the site.
    #[error("no voter is at {0}")]
    NoSuchSite(String),
    /// What was acknowledged might be known only to those that do not answer.
    #[error(
        "only {answering} of the {voters} voters at {site} on {group} answer, of which most must"
    )]
    TooFew {
        /// The site.
        site: String,
        /// The group.
        group: GroupId,
        /// Voters of the site that answer.
        answering: usize,
        /// All voters of the site.
        voters: usize,
    },
}

/// The promotions that make `site` go on alone, by group. Groups that are in the hands of this site
/// alone need none.
///
/// # Errors
/// [`NotPromotable`].
pub fn promotions(statuses: &[VoterStatus], site: &str) -> Result<Vec<Promotion>, NotPromotable> {
    let here = |voter: &Voter| voter.site.as_deref() == Some(site);
    let of_site: Vec<&VoterStatus> = statuses.iter().filter(|s| here(&s.voter)).collect();
    let groups: BTreeSet<GroupId> = of_site
        .iter()
        .flat_map(|status| status.groups.iter().map(|view| view.group))
        .collect();
    if groups.is_empty() {
        return Err(NotPromotable::NoSuchSite(site.to_owned()));
    }
    let mut promotions = Vec::new();
    for group in groups {
        let views: Vec<(&Voter, &GroupView)> = of_site
            .iter()
            .filter_map(|s| Some((&s.voter, s.groups.iter().find(|view| view.group == group)?)))
            .collect();
        // Of equal logs the leader's, if one believes to lead: the others hear it still.
        let greatest = views
            .iter()
            .max_by_key(|(voter, view)| (view.last, view.leader == Some(voter.id)));
        let Some((voter, view)) = greatest else {
            continue;
        };
        let voters: Vec<&Voter> = view.voters.iter().filter(|v| here(v)).collect();
        // One that lost its folder knows nothing of what it acknowledged.
        let is_known = |voter: &Voter| voters.iter().any(|known| voter.may_be(known));
        let answering = views.iter().filter(|(voter, _)| is_known(voter)).count();
        let Some(last) = view.last.filter(|_| 2 * answering > voters.len()) else {
            return Err(NotPromotable::TooFew {
                site: site.to_owned(),
                group,
                answering,
                voters: voters.len(),
            });
        };
        if view.voters.iter().all(here) {
            continue;
        }
        promotions.push(Promotion {
            voter: (*voter).clone(),
            request: PromoteRequest {
                group,
                site: site.to_owned(),
                last,
                term: views.iter().map(|(_, view)| view.term).max().unwrap_or(0),
            },
        });
    }
    Ok(promotions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voters::LogPosition;

    fn voter(id: u64) -> Voter {
        Voter {
            id,
            endpoint: format!("host-{id}:1"),
            site: Some(if id <= 3 { "t" } else { "m" }.to_owned()),
            folder: Some("first".to_owned()),
        }
    }

    /// A voter that holds so many entries of a term, of a group that these vote in.
    fn status(id: u64, term: u64, index: u64, leader: Option<u64>, voters: &[u64]) -> VoterStatus {
        VoterStatus {
            voter: voter(id),
            groups: vec![GroupView {
                group: GroupId(1),
                term,
                leader,
                last: Some(LogPosition {
                    term,
                    leader: 1,
                    index,
                }),
                applied: 0,
                voters: voters.iter().copied().map(voter).collect(),
            }],
        }
    }

    const ALL: [u64; 6] = [1, 2, 3, 4, 5, 6];

    #[test]
    fn the_greatest_log_of_a_majority_takes_over() {
        let statuses = [
            status(4, 7, 20, None, &ALL),
            status(5, 8, 19, None, &ALL),
            status(1, 9, 30, None, &ALL),
        ];
        let promotions = promotions(&statuses, "m").unwrap();
        assert_eq!(promotions.len(), 1);
        assert_eq!(promotions[0].voter.id, 5);
        assert_eq!(promotions[0].request.last.index, 19);
        assert_eq!(promotions[0].request.term, 8);
    }

    #[test]
    fn of_equal_logs_the_leaders_takes_over() {
        for leader in [4, 5, 6] {
            let statuses = [4, 5, 6].map(|id| status(id, 7, 20, Some(leader), &ALL));
            assert_eq!(promotions(&statuses, "m").unwrap()[0].voter.id, leader);
        }
    }

    #[test]
    fn a_minority_may_lack_what_was_acknowledged() {
        let statuses = [status(4, 7, 20, None, &ALL), status(1, 9, 30, None, &ALL)];
        let refused = promotions(&statuses, "m").unwrap_err();
        assert!(
            matches!(
                refused,
                NotPromotable::TooFew {
                    answering: 1,
                    voters: 3,
                    ..
                }
            ),
            "{refused}"
        );
        let refused = promotions(&statuses, "p").unwrap_err();
        assert_eq!(refused, NotPromotable::NoSuchSite("p".to_owned()));
    }

    #[test]
    fn a_voter_that_lost_its_folder_is_not_counted() {
        let mut statuses = [status(4, 7, 20, None, &ALL), status(5, 0, 0, None, &ALL)];
        assert!(promotions(&statuses, "m").is_ok());
        statuses[1].voter.folder = Some("second".to_owned());
        let refused = promotions(&statuses, "m");
        assert!(matches!(
            refused,
            Err(NotPromotable::TooFew { answering: 1, .. })
        ));
    }

    #[test]
    fn a_site_that_is_alone_already_needs_no_promotion() {
        // One of its voters has not heard of it yet.
        let statuses = [
            status(4, 9, 21, None, &[4, 5, 6]),
            status(5, 7, 20, None, &ALL),
        ];
        assert_eq!(promotions(&statuses, "m"), Ok(Vec::new()));
    }
}
