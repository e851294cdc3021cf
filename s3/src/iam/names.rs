//! The texts that IAM's entities are made of, each within AWS's bounds.

use crate::aws_query::{Value, check_length, invalid, texts};
use crate::error::{Error, ErrorCode, Result};

/// The longest path.
const PATH_CHARS_MAX: usize = 512;

/// The characters of names, as AWS spells them: `[\w+=,.@-]`.
pub(crate) const fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(character, '_' | '+' | '=' | ',' | '.' | '@' | '-')
}

const fn is_word_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

const fn is_description_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}')
}

texts! {
    /// A user's name.
    UserName: 1..=64 of is_name_character, "[\\w+=,.@-]+";
    /// A group's name.
    GroupName: 1..=128 of is_name_character, "[\\w+=,.@-]+";
    /// A role's name.
    RoleName: 1..=64 of is_name_character, "[\\w+=,.@-]+";
    /// A policy's name, inline or managed.
    PolicyName: 1..=128 of is_name_character, "[\\w+=,.@-]+";
    /// The id of an access key, known or not.
    AccessKeyId: 16..=128 of is_word_character, "[\\w]+";
    /// What a role or policy is for.
    Description: 0..=1000 of is_description_character, "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*";
    /// Whom an identity provider's tokens are meant for.
    ClientId: 1..=255 of |c: char| !c.is_control(), "[^\\p{Cc}]+";
    /// The hash of the certificate that an identity provider's own was signed with.
    Thumbprint: 40..=40 of |c: char| c.is_ascii_alphanumeric(), "[0-9A-Za-z]{40}";
}

/// Names are the same in any case; a name so folded stands for all of them.
macro_rules! folded {
    ($($type:ident)*) => {$(
        impl $type {
            /// What equal names have in common.
            #[must_use]
            pub fn folded(&self) -> String {
                self.as_str().to_ascii_lowercase()
            }
        }
    )*};
}
folded! { UserName GroupName RoleName PolicyName }

/// Where in its account an entity is, for people and for policies: `/` or `/division/team/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(String);

impl Path {
    /// A path, if `text` is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_legal = text.len() <= PATH_CHARS_MAX
            && text.starts_with('/')
            && text.ends_with('/')
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && text != "//";
        is_legal.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Path {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl Value for Path {
    fn read(name: &'static str, text: String) -> Result<Self> {
        check_length(name, &text, 1, PATH_CHARS_MAX)?;
        Self::parse(&text).ok_or_else(|| {
            Error::new(ErrorCode::ValidationError).message(format!(
                "The specified value for {name} is invalid. It must begin and end with / and \
                 contain only alphanumeric characters and/or / characters."
            ))
        })
    }
}

/// What the paths of listed entities begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPrefix(String);

impl PathPrefix {
    /// Whether a path begins with it.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        path.starts_with(&self.0)
    }
}

impl Default for PathPrefix {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl Value for PathPrefix {
    fn read(name: &'static str, text: String) -> Result<Self> {
        check_length(name, &text, 1, PATH_CHARS_MAX)?;
        let is_legal =
            text.starts_with('/') && text.bytes().all(|byte| matches!(byte, 0x21..=0x7f));
        if is_legal {
            return Ok(Self(text));
        }
        let pattern = "Member must satisfy regular expression pattern: \\u002F[\\u0021-\\u007F]*";
        Err(invalid(name, &text, pattern))
    }
}

/// The number of a managed policy's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VersionId(pub u32);

impl VersionId {
    /// Reads `v1`.
    fn parse(text: &str) -> Option<Self> {
        let digits = text
            .strip_prefix('v')
            .filter(|it| !it.starts_with(['0', '+']))?;
        digits.parse().ok().map(Self)
    }
}

impl std::fmt::Display for VersionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Value for VersionId {
    fn read(name: &'static str, text: String) -> Result<Self> {
        Self::parse(&text).ok_or_else(|| {
            let pattern = "Member must satisfy regular expression pattern: v[1-9][0-9]*";
            invalid(name, &text, pattern)
        })
    }
}

/// Whether an access key is good for anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// It is.
    Active,
    /// Not until it is made active again.
    Inactive,
}

impl KeyStatus {
    /// AWS's name for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Inactive => "Inactive",
        }
    }
}

impl Value for KeyStatus {
    fn read(name: &'static str, text: String) -> Result<Self> {
        match text.as_str() {
            "Active" => Ok(Self::Active),
            "Inactive" => Ok(Self::Inactive),
            _ => {
                let constraint = "Member must satisfy enum value set: [Active, Inactive]";
                Err(invalid(name, &text, constraint))
            }
        }
    }
}

/// Which policies are listed, by who made them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PolicyScope {
    /// All.
    #[default]
    All,
    /// Those that come with the store.
    Aws,
    /// Those of the account.
    Local,
}

impl Value for PolicyScope {
    fn read(name: &'static str, text: String) -> Result<Self> {
        match text.as_str() {
            "All" => Ok(Self::All),
            "AWS" => Ok(Self::Aws),
            "Local" => Ok(Self::Local),
            _ => {
                let constraint = "Member must satisfy enum value set: [All, AWS, Local]";
                Err(invalid(name, &text, constraint))
            }
        }
    }
}

/// What listed policies are used for. There is one answer: nothing here has a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyUsage {
    /// Permissions.
    Permissions,
}

impl Value for PolicyUsage {
    fn read(name: &'static str, text: String) -> Result<Self> {
        match text.as_str() {
            "PermissionsPolicy" => Ok(Self::Permissions),
            "PermissionsBoundary" => Err(Error::new(ErrorCode::NotImplemented)
                .message("Permissions boundaries are not implemented.")),
            _ => {
                let constraint = "Member must satisfy enum value set: [PermissionsPolicy, \
                                  PermissionsBoundary]";
                Err(invalid(name, &text, constraint))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: Value>(text: &str) -> Result<T, ErrorCode> {
        T::read("Name", text.to_owned()).map_err(|error| error.code())
    }

    #[test]
    fn names_keep_to_their_alphabet_and_length() {
        for text in ["a", "A_1+=,.@-", &"x".repeat(64)] {
            assert_eq!(code::<UserName>(text).unwrap().as_str(), text);
        }
        for text in ["", "a b", "a/b", "é", "a\n", &"x".repeat(65)] {
            assert_eq!(
                code::<UserName>(text),
                Err(ErrorCode::ValidationError),
                "{text}"
            );
        }
        assert!(code::<GroupName>(&"x".repeat(128)).is_ok());
        assert_eq!(code::<UserName>("MiXed").unwrap().folded(), "mixed");
        assert!(code::<AccessKeyId>("AKIA-DEFGHIJKLMNOP").is_err());
        assert!(code::<Description>("").is_ok() && code::<Description>("\u{a0}").is_err());
    }

    #[test]
    fn paths_begin_and_end_with_a_slash() {
        for text in ["/", "/a/", "/a/b-c/", "/a//b/"] {
            assert_eq!(code::<Path>(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "a",
            "/a",
            "a/",
            "//",
            "/a b/",
            "/é/",
            &format!("/{}/", "a".repeat(511)),
        ] {
            assert_eq!(
                code::<Path>(text),
                Err(ErrorCode::ValidationError),
                "{text}"
            );
        }
        let prefix: PathPrefix = code("/a").unwrap();
        assert!(prefix.matches("/a/") && prefix.matches("/ab/") && !prefix.matches("/b/"));
        assert!(code::<PathPrefix>("a").is_err());
    }

    #[test]
    fn versions_are_numbered_from_one() {
        assert_eq!(code::<VersionId>("v12"), Ok(VersionId(12)));
        assert_eq!(VersionId(12).to_string(), "v12");
        for text in ["", "v", "v0", "1", "v+1", "v1x", "v99999999999"] {
            assert_eq!(
                code::<VersionId>(text),
                Err(ErrorCode::ValidationError),
                "{text}"
            );
        }
    }

    #[test]
    fn words_are_taken_as_aws_spells_them() {
        assert_eq!(code::<KeyStatus>("Inactive"), Ok(KeyStatus::Inactive));
        assert_eq!(
            code::<KeyStatus>("inactive"),
            Err(ErrorCode::ValidationError)
        );
        assert_eq!(code::<PolicyScope>("AWS"), Ok(PolicyScope::Aws));
        assert_eq!(code::<PolicyScope>(""), Err(ErrorCode::ValidationError));
        assert_eq!(
            code::<PolicyUsage>("PermissionsBoundary"),
            Err(ErrorCode::NotImplemented)
        );
    }
}
