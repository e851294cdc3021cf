//! Who asks, and whom a policy's `Principal` names.

use super::document::{Effect, RawPrincipal};
use super::flaw::Flaw;
use super::pattern::Arn;

/// The most bytes of an account's, user's or provider's name in a policy.
const NAME_BYTES_MAX: usize = 2048;

/// An account, and the other name that policies may call it by: its tenant's, which is empty for
/// the default tenant (`arn:aws:iam:::user/name`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its other name.
    pub name: &'a str,
}

impl<'a> Account<'a> {
    /// An account that has no other name.
    #[must_use]
    pub const fn plain(id: &'a str) -> Self {
        Self { id, name: id }
    }

    fn is_called(self, text: &str) -> bool {
        self.id == text || self.name == text
    }
}

/// Who makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller<'a> {
    /// Nobody known.
    Anonymous,
    /// An account itself, by its root keys.
    Root {
        /// The account.
        account: Account<'a>,
        /// Its canonical id.
        canonical_id: &'a str,
    },
    /// A user of an account, or a federated user.
    User {
        /// The account.
        account: Account<'a>,
        /// The canonical id of the account (or of the user, where users have their own).
        canonical_id: &'a str,
        /// `arn:aws:iam::account:user/path/name`.
        arn: &'a str,
    },
    /// A session of a role.
    Session {
        /// The role's account.
        account: Account<'a>,
        /// The canonical id of the account.
        canonical_id: &'a str,
        /// `arn:aws:iam::account:role/path/name`.
        role_arn: &'a str,
        /// `arn:aws:sts::account:assumed-role/name/session`.
        session_arn: &'a str,
    },
    /// A bearer of an identity provider's token, who asks for a role.
    Federated {
        /// The provider's ARN, or its name where it is a well-known one.
        provider: &'a str,
    },
    /// A service, such as `logging.s3.amazonaws.com`.
    Service {
        /// The service's name.
        name: &'a str,
    },
}

impl<'a> Caller<'a> {
    /// The caller's account.
    #[must_use]
    pub const fn account(self) -> Option<Account<'a>> {
        match self {
            Self::Root { account, .. }
            | Self::User { account, .. }
            | Self::Session { account, .. } => Some(account),
            Self::Anonymous | Self::Federated { .. } | Self::Service { .. } => None,
        }
    }

    const fn canonical_id(self) -> Option<&'a str> {
        match self {
            Self::Root { canonical_id, .. }
            | Self::User { canonical_id, .. }
            | Self::Session { canonical_id, .. } => Some(canonical_id),
            Self::Anonymous | Self::Federated { .. } | Self::Service { .. } => None,
        }
    }
}

/// How a policy names a caller, from the loosest to the closest. It decides which other policies
/// have a say: an account that is named must pass the permission on to its users, a user that is
/// named has it, and a session that is named has it whatever the session's own policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantee {
    /// As anybody, or not at all: an identity's policy names nobody.
    Everyone,
    /// As one of an account.
    Account,
    /// As a user, a session's role, a token's provider or a service.
    Identity,
    /// As one session.
    Session,
}

/// Whom a statement is about.
#[derive(Debug, Clone)]
pub(super) enum Principals {
    /// Whoever the policy is attached to.
    Attached,
    Only(Vec<Principal>),
    AllBut(Vec<Principal>),
}

/// One name in `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principal {
    /// `"*"`: anybody, services too.
    Everyone,
    /// `{"AWS": "*"}`: anybody but services and bearers of tokens.
    EveryAws,
    Account(String),
    CanonicalId(String),
    /// A user, a federated user, a role or a session.
    Arn(String),
    Federated(String),
    Service(String),
}

impl Principals {
    pub(super) fn compile(
        principal: Option<RawPrincipal>,
        not_principal: Option<RawPrincipal>,
        effect: Effect,
    ) -> Result<Self, Flaw> {
        match (principal, not_principal) {
            (Some(_), Some(_)) => Err(Flaw::Both("Principal")),
            (None, None) => Err(Flaw::Missing("Principal")),
            (Some(only), None) => parse_all(only).map(Self::Only),
            (None, Some(_)) if effect == Effect::Allow => Err(Flaw::AllowNotPrincipal),
            (None, Some(all_but)) => parse_all(all_but).map(Self::AllBut),
        }
    }

    /// How the statement names the caller, if it does.
    pub(super) fn name(&self, caller: Caller<'_>) -> Option<Grantee> {
        match self {
            Self::Attached => Some(Grantee::Everyone),
            Self::Only(names) => names.iter().filter_map(|name| name.names(caller)).max(),
            Self::AllBut(names) => {
                let spared = names.iter().any(|name| name.spares(caller));
                (!spared).then_some(Grantee::Everyone)
            }
        }
    }
}

fn parse_all(raw: RawPrincipal) -> Result<Vec<Principal>, Flaw> {
    let entries = match raw {
        RawPrincipal::Text(text) if text == "*" => return Ok(vec![Principal::Everyone]),
        RawPrincipal::Text(_) => return Err(Flaw::Principal),
        RawPrincipal::Map(entries) => entries.0,
    };
    let mut principals = Vec::new();
    for (kind, names) in entries {
        for name in names.0 {
            principals.push(Principal::parse(&kind, name)?);
        }
    }
    if principals.is_empty() {
        return Err(Flaw::Principal);
    }
    Ok(principals)
}

impl Principal {
    fn parse(kind: &str, name: String) -> Result<Self, Flaw> {
        match (kind, name.as_str()) {
            ("AWS", "*") => return Ok(Self::EveryAws),
            ("AWS", arn) if arn.starts_with("arn:") => return Self::parse_arn(arn),
            _ if !is_name(&name) => return Err(Flaw::Principal),
            _ => {}
        }
        match kind {
            "AWS" if is_segment(&name) => Ok(Self::Account(name)),
            "CanonicalUser" if is_segment(&name) => Ok(Self::CanonicalId(name)),
            "Federated" => Ok(Self::Federated(name)),
            "Service" if is_segment(&name) => Ok(Self::Service(name)),
            _ => Err(Flaw::Principal),
        }
    }

    /// Users and sessions can be of no account (`arn:aws:iam:::user/name`): that is how a store
    /// writes them that has users without one.
    fn parse_arn(text: &str) -> Result<Self, Flaw> {
        let Arn(["arn", partition, service, "", account, resource]) = Arn::parse(text)
            .filter(|_| is_name(text))
            .ok_or(Flaw::Principal)?
        else {
            return Err(Flaw::Principal);
        };
        let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
        let names_someone = match (service, kind) {
            ("iam", "root") if is_segment(account) && resource == "root" => {
                return Ok(Self::Account(account.to_owned()));
            }
            ("iam", "user" | "role") => name.split('/').all(|part| !part.is_empty()),
            ("sts" | "iam", "assumed-role") => name
                .split_once('/')
                .is_some_and(|(role, session)| is_segment(role) && is_segment(session)),
            ("sts", "federated-user") => is_segment(name),
            _ => false,
        };
        if !names_someone || !partition.starts_with("aws") {
            return Err(Flaw::Principal);
        }
        Ok(Self::Arn(match kind {
            // Ceph writes sessions as if they were IAM's.
            "assumed-role" => format!("arn:{partition}:sts::{account}:{resource}"),
            _ => text.to_owned(),
        }))
    }

    pub(super) const fn is_everyone(&self) -> bool {
        matches!(self, Self::Everyone | Self::EveryAws)
    }

    fn names(&self, caller: Caller<'_>) -> Option<Grantee> {
        let (fits, grantee) = match (self, caller) {
            (Self::Everyone, _) => (true, Grantee::Everyone),
            (Self::EveryAws, Caller::Federated { .. } | Caller::Service { .. }) => return None,
            (Self::EveryAws, _) => (true, Grantee::Everyone),
            (Self::Account(written), _) => {
                let account = caller.account();
                let is_it = account.is_some_and(|account| account.is_called(written));
                (is_it, Grantee::Account)
            }
            (Self::CanonicalId(id), _) => (caller.canonical_id() == Some(id), Grantee::Account),
            (Self::Arn(name), Caller::User { account, arn, .. }) => {
                (is_same_arn(name, arn, account), Grantee::Identity)
            }
            (
                Self::Arn(name),
                Caller::Session {
                    account,
                    role_arn,
                    session_arn,
                    ..
                },
            ) => {
                if is_same_arn(name, session_arn, account) {
                    (true, Grantee::Session)
                } else {
                    (is_same_arn(name, role_arn, account), Grantee::Identity)
                }
            }
            (Self::Federated(name), Caller::Federated { provider }) => {
                (name == provider, Grantee::Identity)
            }
            (Self::Service(of_policy), Caller::Service { name }) => {
                (of_policy == name, Grantee::Identity)
            }
            (Self::Arn(_) | Self::Federated(_) | Self::Service(_), _) => return None,
        };
        fits.then_some(grantee)
    }

    /// Whether `NotPrincipal` with this name spares the caller. An account's name spares its root
    /// only, and a role's none of its sessions: they must be named themselves.
    fn spares(&self, caller: Caller<'_>) -> bool {
        match (self.names(caller), caller) {
            (None, _) => false,
            (Some(Grantee::Account), Caller::Root { .. })
            | (Some(Grantee::Everyone | Grantee::Session), _) => true,
            (Some(Grantee::Account), _) | (Some(Grantee::Identity), Caller::Session { .. }) => {
                false
            }
            (Some(Grantee::Identity), _) => true,
        }
    }
}

/// Whether a policy that writes one ARN means another, which is of `account`.
fn is_same_arn(written: &str, meant: &str, account: Account<'_>) -> bool {
    if written == meant {
        return true;
    }
    let (Some(Arn(written)), Some(Arn(meant))) = (Arn::parse(written), Arn::parse(meant)) else {
        return false;
    };
    let is_alike = |at: usize| written[at] == meant[at];
    [1, 2, 3, 5].into_iter().all(is_alike)
        && account.is_called(meant[4])
        && account.is_called(written[4])
}

/// Names have no wildcards, which a `Principal` can't have but as a whole, and are visible ASCII.
fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'*' | b'?'))
}

fn is_segment(text: &str) -> bool {
    is_name(text) && !text.contains([':', '/'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::document::{Entries, OneOrMany};

    const ROOT: Caller<'_> = Caller::Root {
        account: Account::plain("a1"),
        canonical_id: "c1",
    };
    const USER: Caller<'_> = Caller::User {
        account: Account::plain("a1"),
        canonical_id: "c1",
        arn: "arn:aws:iam::a1:user/p/u",
    };
    const SESSION: Caller<'_> = Caller::Session {
        account: Account::plain("a1"),
        canonical_id: "c1",
        role_arn: "arn:aws:iam::a1:role/r",
        session_arn: "arn:aws:sts::a1:assumed-role/r/s",
    };
    const TOKEN: Caller<'_> = Caller::Federated {
        provider: "arn:aws:iam::a1:oidc-provider/x.org/realm",
    };
    const SERVICE: Caller<'_> = Caller::Service {
        name: "logging.s3.amazonaws.com",
    };

    fn parse(kind: &str, name: &str) -> Result<Vec<Principal>, Flaw> {
        let entry = (kind.to_owned(), OneOrMany(vec![name.to_owned()]));
        parse_all(RawPrincipal::Map(Entries(vec![entry])))
    }

    fn everyone() -> Vec<Principal> {
        parse_all(RawPrincipal::Text("*".to_owned())).unwrap()
    }

    #[test]
    fn a_name_fits_its_callers_and_no_others() {
        use Grantee::{Account, Everyone, Identity, Session};
        let callers = [Caller::Anonymous, ROOT, USER, SESSION, TOKEN, SERVICE];
        let check = |names: Vec<Principal>, wanted: [Option<Grantee>; 6]| {
            let principals = Principals::Only(names);
            let found = callers.map(|caller| principals.name(caller));
            assert_eq!(found, wanted, "{principals:?}");
        };
        let (e, a, i, s) = (Some(Everyone), Some(Account), Some(Identity), Some(Session));
        check(everyone(), [e; 6]);
        check(parse("AWS", "*").unwrap(), [e, e, e, e, None, None]);
        for of_account in [
            parse("AWS", "a1").unwrap(),
            parse("AWS", "arn:aws:iam::a1:root").unwrap(),
            parse("CanonicalUser", "c1").unwrap(),
        ] {
            check(of_account, [None, a, a, a, None, None]);
        }
        let none = [None; 6];
        let named = |at: usize, grantee| {
            let mut wanted = none;
            wanted[at] = grantee;
            wanted
        };
        check(
            parse("AWS", "arn:aws:iam::a1:user/p/u").unwrap(),
            named(2, i),
        );
        check(parse("AWS", "arn:aws:iam::a1:role/r").unwrap(), named(3, i));
        check(
            parse("AWS", "arn:aws:sts::a1:assumed-role/r/s").unwrap(),
            named(3, s),
        );
        check(
            parse("AWS", "arn:aws:iam::a1:assumed-role/r/s").unwrap(),
            named(3, s),
        );
        let provider = "arn:aws:iam::a1:oidc-provider/x.org/realm";
        check(parse("Federated", provider).unwrap(), named(4, i));
        check(
            parse("Service", "logging.s3.amazonaws.com").unwrap(),
            named(5, i),
        );
        for other in [
            parse("AWS", "a2").unwrap(),
            parse("AWS", "arn:aws:iam::a1:user/u").unwrap(),
            parse("AWS", "arn:aws:iam:::user/p/u").unwrap(),
            parse("AWS", "arn:aws:sts::a1:assumed-role/r/t").unwrap(),
            parse("CanonicalUser", "a1").unwrap(),
            parse("Service", "logging.s3.amazonaws.comkaboom").unwrap(),
        ] {
            check(other, none);
        }
    }

    #[test]
    fn names_that_name_nobody_are_refused() {
        for (kind, name) in [
            ("AWS", ""),
            ("AWS", "a*"),
            ("AWS", "arn:aws:iam::a1:user/*"),
            ("AWS", "arn:aws:iam::a1:user/"),
            ("AWS", "arn:aws:iam::a1:user"),
            ("AWS", "arn:aws:iam:::root"),
            ("AWS", "arn:aws:iam:::username"),
            ("AWS", "arn:aws:iam::a1:root/x"),
            ("AWS", "arn:aws:iam::a1:group/g"),
            ("AWS", "arn:aws:iam:eu:a1:user/u"),
            ("AWS", "arn:aws:s3:::bucket"),
            ("AWS", "arn:aws:sts::a1:assumed-role/r"),
            ("AWS", "arn:aws:sts::a1:assumed-role/r/*"),
            ("AWS", "arn:aws"),
            ("AWS", "user/u"),
            ("Service", "*"),
            ("Federated", "*"),
            ("CanonicalUser", "*"),
            ("Else", "a1"),
        ] {
            assert_eq!(
                parse(kind, name).unwrap_err(),
                Flaw::Principal,
                "{kind} {name}"
            );
        }
        let text = RawPrincipal::Text("a1".to_owned());
        assert_eq!(parse_all(text).unwrap_err(), Flaw::Principal);
        let nobody = RawPrincipal::Map(Entries(vec![]));
        assert_eq!(parse_all(nobody).unwrap_err(), Flaw::Principal);
    }

    #[test]
    fn not_principal_spares_only_who_is_named_closest() {
        let spares = |name: &str, caller: Caller<'_>| {
            let all_but = Principals::AllBut(parse("AWS", name).unwrap());
            all_but.name(caller).is_none()
        };
        assert!(spares("a1", ROOT));
        assert!(!spares("a1", USER));
        assert!(!spares("a1", SESSION));
        assert!(spares("arn:aws:iam::a1:user/p/u", USER));
        assert!(!spares("arn:aws:iam::a1:user/p/u", ROOT));
        assert!(!spares("arn:aws:iam::a1:role/r", SESSION));
        assert!(spares("arn:aws:sts::a1:assumed-role/r/s", SESSION));
        assert!(!spares("a1", Caller::Anonymous));
    }
}
