//! Texts with wildcards and policy variables, and ARNs made of them.
//!
//! `*` stands for any characters and `?` for one; `${key}` for the value the request gives a
//! condition key, `${key, 'default'}` for a default where it gives none, and `${*}`, `${?}`,
//! `${$}` for the characters themselves. A value that comes in through a variable is plain text:
//! a user called `*` is nobody else.

use super::context::Context;
use super::flaw::Flaw;
use super::principal::Account;

/// Whether a document's texts can hold variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Plain,
    Variables,
}

/// Whether `*` and `?` in a text mean others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wildcards {
    Active,
    Literal,
}

/// A text to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    One,
    Any,
    /// The key is in lower case.
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// A piece with its variable's value filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Glob<'a> {
    Text(&'a str),
    One,
    Any,
}

impl Pattern {
    pub(super) fn parse(text: &str, syntax: Syntax, wildcards: Wildcards) -> Result<Self, Flaw> {
        let mut pieces = Pieces::default();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if syntax == Syntax::Variables
                && let Some(inner) = rest.strip_prefix("${")
            {
                let flaw = || Flaw::Variable(text.to_owned());
                let end = end_of_variable(inner).ok_or_else(flaw)?;
                pieces.push_variable(&inner[..end]).ok_or_else(flaw)?;
                rest = &inner[end + 1..];
                continue;
            }
            match (first, wildcards) {
                ('*', Wildcards::Active) => pieces.push(Piece::Any),
                ('?', Wildcards::Active) => pieces.push(Piece::One),
                _ => pieces.text.push(first),
            }
            rest = &rest[first.len_utf8()..];
        }
        Ok(Self(pieces.finish()))
    }

    /// Whether `text` matches; `None` when that hangs on a variable without a value.
    pub(super) fn matches(&self, text: &str, context: &Context) -> Option<bool> {
        Some(glob_matches(&self.resolve(context)?, text))
    }

    /// Like [`Self::matches`], where letters are the same in any case.
    pub(super) fn matches_in_any_case(&self, text: &str, context: &Context) -> Option<bool> {
        let lower: Vec<_> = self
            .resolve(context)?
            .into_iter()
            .map(|glob| match glob {
                Glob::Text(text) => Piece::Text(text.to_lowercase()),
                Glob::One => Piece::One,
                Glob::Any => Piece::Any,
            })
            .collect();
        Self(lower).matches(&text.to_lowercase(), context)
    }

    /// Whether the pattern is one text only, without wildcards and variables.
    pub(super) fn is_fixed(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    fn resolve<'a>(&'a self, context: &'a Context) -> Option<Vec<Glob<'a>>> {
        let resolve = |piece: &'a Piece| match piece {
            Piece::Text(text) => Some(Glob::Text(text)),
            Piece::One => Some(Glob::One),
            Piece::Any => Some(Glob::Any),
            Piece::Variable { key, default } => {
                let value = context.single(key).or(default.as_deref())?;
                Some(Glob::Text(value))
            }
        };
        self.0.iter().map(resolve).collect()
    }

    /// Splits at each of the first `count` of a character in the pattern's own text.
    fn split(self, at: char, count: usize) -> Vec<Self> {
        let mut parts = vec![];
        let mut part = Pieces::default();
        for piece in self.0 {
            let Piece::Text(text) = piece else {
                part.push(piece);
                continue;
            };
            let mut rest = text.as_str();
            while parts.len() < count
                && let Some((before, after)) = rest.split_once(at)
            {
                part.text.push_str(before);
                parts.push(Self(std::mem::take(&mut part).finish()));
                rest = after;
            }
            part.text.push_str(rest);
        }
        parts.push(Self(part.finish()));
        parts
    }

    fn is_any(&self) -> bool {
        self.0 == [Piece::Any]
    }
}

/// Whether any of `patterns` matches; `None` when none does but one hangs on a variable without a
/// value.
pub(super) fn any_of<T>(
    patterns: &[T],
    mut matches: impl FnMut(&T) -> Option<bool>,
) -> Option<bool> {
    let mut matched = Some(false);
    for pattern in patterns {
        match matches(pattern) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => matched = None,
        }
    }
    matched
}

/// Pieces in the making: no two texts in a row, and no two `*`, which would only cost time.
#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
    text: String,
}

impl Pieces {
    fn push(&mut self, piece: Piece) {
        if !self.text.is_empty() {
            self.done.push(Piece::Text(std::mem::take(&mut self.text)));
        }
        if piece != Piece::Any || self.done.last() != Some(&Piece::Any) {
            self.done.push(piece);
        }
    }

    /// Adds what stands between `${` and `}`.
    fn push_variable(&mut self, inner: &str) -> Option<()> {
        if matches!(inner, "*" | "?" | "$") {
            self.text.push_str(inner);
            return Some(());
        }
        let (key, default) = match inner.split_once(',') {
            None => (inner, None),
            Some((key, default)) => {
                let quoted = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
                (key, Some(quoted.to_owned()))
            }
        };
        let key = key.trim().to_ascii_lowercase();
        let (vendor, name) = key.split_once(':')?;
        if vendor.is_empty() || name.is_empty() || key.contains(['$', '{', '*', '?']) {
            return None;
        }
        self.push(Piece::Variable { key, default });
        Some(())
    }

    fn finish(mut self) -> Vec<Piece> {
        if !self.text.is_empty() {
            self.done.push(Piece::Text(self.text));
        }
        self.done
    }
}

/// Where the `}` of a variable is; one within a quoted default is not its end.
fn end_of_variable(inner: &str) -> Option<usize> {
    let mut quoted = false;
    inner.char_indices().find_map(|(at, c)| {
        quoted ^= c == '\'';
        (c == '}' && !quoted).then_some(at)
    })
}

/// Matches greedily, and on a mismatch lets the last `*` take one character more. Earlier ones
/// need no second try, so the time is at most the product of both lengths, never exponential.
fn glob_matches(globs: &[Glob<'_>], text: &str) -> bool {
    let mut at = 0;
    let mut rest = text;
    let mut last_any: Option<(usize, &str)> = None;
    loop {
        let next = match globs.get(at) {
            Some(Glob::Any) if at + 1 == globs.len() => return true,
            Some(Glob::Any) => {
                last_any = Some((at + 1, rest));
                Some(rest)
            }
            // Too little is left, and a later try would have still less.
            Some(Glob::One) if rest.is_empty() => return false,
            Some(Glob::Text(text)) if text.len() > rest.len() => return false,
            Some(Glob::One) => after_char(rest),
            Some(Glob::Text(text)) => rest.strip_prefix(text),
            None if rest.is_empty() => return true,
            None => None,
        };
        if let Some(next) = next {
            rest = next;
            at += 1;
            continue;
        }
        let Some((after_any, taken_up_to)) = last_any else {
            return false;
        };
        let Some(one_more) = after_char(taken_up_to) else {
            return false;
        };
        last_any = Some((after_any, one_more));
        at = after_any;
        rest = one_more;
    }
}

fn after_char(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

/// `arn:partition:service:region:account:resource`, where the resource may hold more colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arn<'a>(pub(super) [&'a str; 6]);

impl<'a> Arn<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let arn = [(); 6].map(|()| parts.next());
        let arn = arn.map(|part| part.ok_or(()));
        let [
            Ok("arn"),
            Ok(partition),
            Ok(service),
            Ok(region),
            Ok(account),
            Ok(resource),
        ] = arn
        else {
            return None;
        };
        Some(Self(["arn", partition, service, region, account, resource]))
    }
}

/// A pattern of ARNs. A wildcard doesn't reach beyond its part of the ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ArnPattern {
    /// `*`: anything, ARN or not.
    Any,
    Parts(Box<[Pattern; 6]>),
    /// A single variable, whose value is the whole ARN.
    Whole(Pattern),
}

impl ArnPattern {
    pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Option<Self>, Flaw> {
        let pattern = Pattern::parse(text, syntax, Wildcards::Active)?;
        if pattern.is_any() {
            return Ok(Some(Self::Any));
        }
        if matches!(pattern.0[..], [Piece::Variable { .. }]) {
            return Ok(Some(Self::Whole(pattern)));
        }
        if !text.starts_with("arn:") {
            return Ok(None);
        }
        let parts = Box::<[Pattern; 6]>::try_from(pattern.split(':', 5).into_boxed_slice());
        Ok(parts.ok().map(Self::Parts))
    }

    /// Whether `text`, which need not be an ARN, matches; `None` when that hangs on a variable
    /// without a value.
    pub(super) fn matches(&self, text: &str, context: &Context) -> Option<bool> {
        self.matches_with(text, &[], context)
    }

    /// Like [`Self::matches`], where the ARN's account may also be any of `accounts`.
    pub(super) fn matches_with(
        &self,
        text: &str,
        accounts: &[&str],
        context: &Context,
    ) -> Option<bool> {
        let parts = match self {
            Self::Any => return Some(true),
            Self::Whole(pattern) => return pattern.matches(text, context),
            Self::Parts(parts) => parts,
        };
        let Some(arn) = Arn::parse(text) else {
            return Some(false);
        };
        for (at, (pattern, part)) in parts.iter().zip(arn.0).enumerate() {
            let mut matches = pattern.matches(part, context)?;
            if at == 4 {
                for account in accounts {
                    matches |= pattern.matches(account, context)?;
                }
            }
            if !matches {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Whether the pattern is one ARN only.
    pub(super) fn is_fixed(&self) -> bool {
        match self {
            Self::Any | Self::Whole(_) => false,
            Self::Parts(parts) => parts.iter().all(Pattern::is_fixed),
        }
    }

    /// Whether the bucket's part of the pattern matches this bucket. It can hold no variables.
    pub(super) fn is_within_bucket(&self, bucket: &str, account: Account<'_>) -> bool {
        let Self::Parts(parts) = self else {
            return false;
        };
        let empty = Context::new();
        let is = |at: usize, text: &str| parts[at].matches(text, &empty) == Some(true);
        let name = parts[5].clone().split('/', 1).swap_remove(0);
        is(1, "aws")
            && is(2, "s3")
            && is(3, "")
            && (is(4, "") || is(4, account.id) || is(4, account.name))
            && name.matches(bucket, &empty) == Some(true)
    }
}

#[cfg(test)]
mod tests;
