//! How objects are made redundant: Riquet's profiles, and what they are compared with.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Shards of one group at one site, at most: the Markov chain has about twice the square of it states.
const MOST_SHARDS: u32 = 32;

/// What is wrong with the text of a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemeError {
    #[error("write K/S, K+M, N-copy or 2xK+M, such as 8/10, 8+4, 3-copy, 2x8+4")]
    Unknown,
    #[error("K and M are at least 1")]
    Zero,
    #[error("each site needs more shards than the K that rebuild an object")]
    SiteNotEnough,
    #[error("copies are 2 or more, so that each site has one")]
    TooFewCopies,
    #[error("at most {MOST_SHARDS} shards at a site are simulated")]
    TooWide,
}

/// A way to make objects redundant.
///
/// Shards stand on one or two *sides*; a side is a site as one placement group sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `s` shards at each of two sites, of one code: any `k` of all `2s` rebuild the object.
    Spread { k: u32, s: u32 },
    /// `k + m` shards at one site, any `k` of which rebuild the object.
    OneSite { k: u32, m: u32 },
    /// That many copies, one more at the first site if odd.
    Copies { copies: u32 },
    /// Two stores with `k + m` shards each, one at each site, that hold the same objects.
    Mirrored { k: u32, m: u32 },
}

impl Scheme {
    /// Shards that rebuild an object.
    pub(super) fn k(&self) -> u32 {
        match *self {
            Self::Spread { k, .. } | Self::OneSite { k, .. } | Self::Mirrored { k, .. } => k,
            Self::Copies { .. } => 1,
        }
    }

    /// Sites that hold shards of one object.
    pub(super) fn sites(&self) -> u32 {
        match self {
            Self::OneSite { .. } => 1,
            _ => 2,
        }
    }

    /// Shards of a group on `side` 0 or 1.
    pub(super) fn shards(&self, side: usize) -> u32 {
        match *self {
            Self::Spread { s, .. } => s,
            Self::OneSite { k, m } => [k + m, 0][side],
            Self::Copies { copies } => [copies.div_ceil(2), copies / 2][side],
            Self::Mirrored { k, m } => k + m,
        }
    }

    /// Shards of a group on both sides.
    pub(super) fn total(&self) -> u32 {
        self.shards(0) + self.shards(1)
    }

    /// Shards of a group at a site that holds some, on average over groups.
    ///
    /// Groups of an odd number of copies have the larger half at either site in turn.
    pub(super) fn shards_per_site(&self) -> f64 {
        f64::from(self.total()) / f64::from(self.sites())
    }

    /// Whether both sides are alike, so that only what they lack counts, not which side lacks it.
    pub(super) fn is_symmetric(&self) -> bool {
        self.shards(0) == self.shards(1)
    }

    /// Bytes on disks for a byte of objects.
    pub(super) fn overhead(&self) -> f64 {
        f64::from(self.total()) / f64::from(self.k())
    }

    /// Whether a group with so many shards left on each side can be read.
    pub(super) fn is_readable(&self, left: [u32; 2]) -> bool {
        match self {
            Self::Mirrored { k, .. } => left[0] >= *k || left[1] >= *k,
            _ => left[0] + left[1] >= self.k(),
        }
    }

    /// Any so many more shards may be lost and the group still be read.
    pub(super) fn spare(&self, left: [u32; 2]) -> u32 {
        let k = self.k();
        match self {
            Self::Mirrored { .. } => {
                let until_lost = |side: u32| (side + 1).saturating_sub(k);
                (until_lost(left[0]) + until_lost(left[1])).saturating_sub(1)
            }
            _ => (left[0] + left[1]).saturating_sub(k),
        }
    }

    /// Shards that the other site sends so that this one can make anew all that it lacks; none: the
    /// other can't help.
    pub(super) fn shards_to_send(&self, left_here: u32, left_there: u32) -> Option<u32> {
        let k = self.k();
        match self {
            Self::OneSite { .. } => None,
            // The same shards exist there: only what is lost crosses, or what rebuilds all of it.
            Self::Mirrored { m, .. } => (left_there >= k).then_some((k + m - left_here).min(k)),
            _ => (left_here + left_there >= k).then(|| k.saturating_sub(left_here)),
        }
    }

    /// What the loss of a site and further shards is survived: `site + N`, or `none`.
    pub(super) fn survives_with_site(&self) -> String {
        let worst = [[self.shards(0), 0], [0, self.shards(1)]];
        let readable = |left: &[u32; 2]| self.is_readable(*left);
        if self.sites() == 1 || !worst.iter().all(readable) {
            return "no site".to_owned();
        }
        let spare = worst.map(|left| self.spare(left));
        format!("site + {}", spare[0].min(spare[1]))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spread { k, s } => write!(f, "{k}/{s}"),
            Self::OneSite { k, m } => write!(f, "{k}+{m}"),
            Self::Copies { copies } => write!(f, "{copies}-copy"),
            Self::Mirrored { k, m } => write!(f, "2x{k}+{m}"),
        }
    }
}

impl Serialize for Scheme {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Scheme {
    type Err = SchemeError;

    fn from_str(text: &str) -> Result<Self, SchemeError> {
        let text = text.trim();
        let pair = |text: &str, between: char| -> Option<(u32, u32)> {
            let (a, b) = text.split_once(between)?;
            Some((a.parse().ok()?, b.parse().ok()?))
        };
        let scheme = if let Some(copies) = text.strip_suffix("-copy") {
            let copies = copies.parse().map_err(|_| SchemeError::Unknown)?;
            Self::Copies { copies }
        } else if let Some((k, m)) = text.strip_prefix("2x").and_then(|rest| pair(rest, '+')) {
            Self::Mirrored { k, m }
        } else if let Some((k, m)) = pair(text, '+') {
            Self::OneSite { k, m }
        } else if let Some((k, s)) = pair(text, '/') {
            Self::Spread { k, s }
        } else {
            return Err(SchemeError::Unknown);
        };
        scheme.check()?;
        Ok(scheme)
    }
}

impl Scheme {
    fn check(&self) -> Result<(), SchemeError> {
        match *self {
            Self::Spread { k: 0, .. } => return Err(SchemeError::Zero),
            Self::Spread { k, s } if s <= k => return Err(SchemeError::SiteNotEnough),
            Self::OneSite { k, m } | Self::Mirrored { k, m } => {
                if k == 0 || m == 0 {
                    return Err(SchemeError::Zero);
                }
                // Before the sum below, which must not overflow.
                if k > MOST_SHARDS || m > MOST_SHARDS {
                    return Err(SchemeError::TooWide);
                }
            }
            Self::Copies { copies: 0 | 1 } => return Err(SchemeError::TooFewCopies),
            _ => {}
        }
        if self.shards(0) > MOST_SHARDS {
            return Err(SchemeError::TooWide);
        }
        Ok(())
    }
}
