//! IAM as types: who there is, what they may do, and how they are told apart.
//!
//! A [`crate::aws_query::Form`] becomes an [`Operation`], which says what it needs to be allowed
//! ([`Operation::iam_action`] on [`Operation::target`]), and an [`Output`] becomes the answer.
//! Which users there are is the caller's affair; the policies that come with the store are in
//! [`managed`], and how much there may be of everything in [`quota`].
//!
//! A parameter that isn't honoured is `NotImplemented`, an action that isn't here is
//! `InvalidAction`.

mod answer;
mod group;
mod input;
mod key;
pub mod managed;
mod names;
mod operation;
mod policy;
mod provider;
pub mod quota;
mod role;
mod target;
mod user;

pub use answer::{
    AccessKey, AccessKeyMetadata, AttachedPolicy, Group, InlinePolicy, LastUse, Output, Owner,
    Policy, PolicyVersion, Provider, Role, User, render,
};
pub use group::*;
pub use key::*;
pub(crate) use names::is_name_character;
pub use names::{
    AccessKeyId, ClientId, Description, GroupName, KeyStatus, Path, PathPrefix, PolicyName,
    PolicyScope, PolicyUsage, RoleName, Thumbprint, UserName, VersionId,
};
pub use operation::{Action, Operation};
pub use policy::*;
pub use provider::*;
pub use role::*;
pub use target::Target;
pub use user::*;
