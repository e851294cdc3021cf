//! What operations answer.

use bytes::Bytes;
use http::Response;
use jiff::Timestamp;

use super::{Action, KeyStatus, VersionId};
use crate::auth::Service;
use crate::aws_query::answer as envelope;
use crate::aws_query::{Page, Tag};
use crate::xml::write::XmlWriter;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its path.
    pub path: String,
    /// Its name.
    pub user_name: String,
    /// Its id, which no other user ever has.
    pub user_id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub create_date: Timestamp,
    /// Its tags; lists leave them out.
    pub tags: Vec<Tag>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its path.
    pub path: String,
    /// Its name.
    pub group_name: String,
    /// Its id, which no other group ever has.
    pub group_id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub create_date: Timestamp,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its path.
    pub path: String,
    /// Its name.
    pub role_name: String,
    /// Its id, which no other role ever has.
    pub role_id: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub create_date: Timestamp,
    /// Who may assume it.
    pub assume_role_policy_document: String,
    /// What it is for.
    pub description: Option<String>,
    /// How long its sessions may be.
    pub max_session_duration_s: u32,
    /// Its tags; lists leave them out.
    pub tags: Vec<Tag>,
}

/// An access key that was just made.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Its owner.
    pub user_name: String,
    /// Its id.
    pub access_key_id: String,
    /// Its secret, told this once.
    pub secret_access_key: String,
    /// When it was made.
    pub create_date: Timestamp,
}

/// Without the secret.
impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("user_name", &self.user_name)
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// An access key in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeyMetadata {
    /// Its owner, unless that is the account itself.
    pub user_name: Option<String>,
    /// Its id.
    pub access_key_id: String,
    /// Whether it is good for anything.
    pub status: KeyStatus,
    /// When it was made.
    pub create_date: Timestamp,
}

/// When and for what an access key was last used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub date: Timestamp,
    /// For which service.
    pub service: Service,
    /// In which region.
    pub region: String,
}

/// Whose inline policy one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// A user's, by name.
    User(String),
    /// A group's, by name.
    Group(String),
    /// A role's, by name.
    Role(String),
}

/// An inline policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlinePolicy {
    /// Whose it is.
    pub owner: Owner,
    /// Its name.
    pub policy_name: String,
    /// What it says.
    pub policy_document: String,
}

/// A managed policy that is attached to something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedPolicy {
    /// Its name.
    pub policy_name: String,
    /// Its ARN.
    pub policy_arn: String,
}

/// A managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub policy_name: String,
    /// Its id, which no other policy ever has.
    pub policy_id: String,
    /// Its ARN.
    pub arn: String,
    /// Its path.
    pub path: String,
    /// The version that is in force.
    pub default_version: VersionId,
    /// How many users, groups and roles it is attached to.
    pub attachment_count: u32,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub create_date: Timestamp,
    /// When the default version last changed.
    pub update_date: Timestamp,
    /// Its tags; lists leave them out.
    pub tags: Vec<Tag>,
}

/// A version of a managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number.
    pub version: VersionId,
    /// Whether it is in force.
    pub is_default: bool,
    /// When it was made.
    pub create_date: Timestamp,
    /// What it says; lists leave it out.
    pub document: Option<String>,
}

/// An OpenID Connect provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Where it is.
    pub url: String,
    /// Whom its tokens are meant for.
    pub client_ids: Vec<String>,
    /// The certificates it may show.
    pub thumbprints: Vec<String>,
    /// When it was made.
    pub create_date: Timestamp,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// What an operation answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Nothing but that it was done.
    Done,
    /// CreateUser, GetUser.
    User(User),
    /// ListUsers.
    Users(Page<User>),
    /// CreateAccessKey.
    AccessKey(AccessKey),
    /// ListAccessKeys.
    AccessKeys(Page<AccessKeyMetadata>),
    /// GetAccessKeyLastUsed.
    AccessKeyLastUsed {
        /// Whose key it is, unless it is the account's own.
        user_name: Option<String>,
        /// Its last use, if there was one.
        last_use: Option<LastUse>,
    },
    /// Get*Policy, for an inline policy.
    InlinePolicy(InlinePolicy),
    /// List*Policies, for inline policies.
    PolicyNames(Page<String>),
    /// ListAttached*Policies.
    AttachedPolicies(Page<AttachedPolicy>),
    /// CreateGroup.
    Group(Group),
    /// GetGroup.
    GroupWithUsers(Group, Page<User>),
    /// ListGroups, ListGroupsForUser.
    Groups(Page<Group>),
    /// CreateRole, GetRole, UpdateRoleDescription.
    Role(Role),
    /// ListRoles.
    Roles(Page<Role>),
    /// List*Tags.
    Tags(Page<Tag>),
    /// CreatePolicy, GetPolicy.
    Policy(Policy),
    /// ListPolicies.
    Policies(Page<Policy>),
    /// CreatePolicyVersion, GetPolicyVersion.
    PolicyVersion(PolicyVersion),
    /// ListPolicyVersions.
    PolicyVersions(Page<PolicyVersion>),
    /// CreateOpenIDConnectProvider: its ARN and tags.
    ProviderCreated(String, Vec<Tag>),
    /// GetOpenIDConnectProvider.
    Provider(Provider),
    /// ListOpenIDConnectProviders: their ARNs.
    Providers(Vec<String>),
    /// GetAccountSummary: numbers of entities, and how many there may be, by AWS's names for them.
    AccountSummary(Vec<(&'static str, usize)>),
    /// ListAccountAliases.
    AccountAliases(Page<String>),
}

/// The answer to a call that went well.
#[must_use]
pub fn render(action: Action, output: &Output, request_id: &str) -> Response<Bytes> {
    // Clients look for the result of UpdateRole, although nothing is in it.
    let has_result = *output != Output::Done || action == Action::UpdateRole;
    let result = has_result.then_some(|writer: &mut XmlWriter| write(writer, output));
    envelope::document(Service::Iam, action.as_str(), request_id, result)
}

fn write(writer: &mut XmlWriter, output: &Output) {
    match output {
        Output::Done => {}
        Output::User(it) => writer.element("User", |writer| user(writer, it)),
        Output::Users(page) => envelope::page(writer, "Users", page, user),
        Output::AccessKey(it) => writer.element("AccessKey", |writer| access_key(writer, it)),
        Output::AccessKeys(page) => {
            envelope::page(writer, "AccessKeyMetadata", page, access_key_metadata);
        }
        Output::AccessKeyLastUsed {
            user_name,
            last_use: used,
        } => {
            writer.optional("UserName", user_name.as_deref());
            writer.element("AccessKeyLastUsed", |writer| {
                last_use(writer, used.as_ref())
            });
        }
        Output::InlinePolicy(it) => inline_policy(writer, it),
        Output::PolicyNames(page) => envelope::page_of_texts(writer, "PolicyNames", page),
        Output::AttachedPolicies(page) => {
            envelope::page(writer, "AttachedPolicies", page, attached_policy);
        }
        Output::Group(it) => writer.element("Group", |writer| group(writer, it)),
        Output::GroupWithUsers(it, users) => {
            writer.element("Group", |writer| group(writer, it));
            envelope::page(writer, "Users", users, user);
        }
        Output::Groups(page) => envelope::page(writer, "Groups", page, group),
        Output::Role(it) => writer.element("Role", |writer| role(writer, it)),
        Output::Roles(page) => envelope::page(writer, "Roles", page, role),
        Output::Tags(page) => envelope::page(writer, "Tags", page, envelope::tag),
        Output::Policy(it) => writer.element("Policy", |writer| policy(writer, it)),
        Output::Policies(page) => envelope::page(writer, "Policies", page, policy),
        Output::PolicyVersion(it) => {
            writer.element("PolicyVersion", |writer| policy_version(writer, it));
        }
        Output::PolicyVersions(page) => envelope::page(writer, "Versions", page, policy_version),
        Output::ProviderCreated(arn, tags) => {
            writer.text("OpenIDConnectProviderArn", arn);
            envelope::tags(writer, tags);
        }
        Output::Provider(it) => provider(writer, it),
        Output::Providers(arns) => {
            let member = |writer: &mut XmlWriter, arn: &String| writer.text("Arn", arn);
            envelope::members(writer, "OpenIDConnectProviderList", arns, member);
        }
        Output::AccountSummary(numbers) => writer.element("SummaryMap", |writer| {
            for (name, number) in numbers {
                writer.element("entry", |writer| {
                    writer.text("key", name);
                    writer.value("value", number);
                });
            }
        }),
        Output::AccountAliases(page) => envelope::page_of_texts(writer, "AccountAliases", page),
    }
}

fn user(writer: &mut XmlWriter, user: &User) {
    writer.text("Path", &user.path);
    writer.text("UserName", &user.user_name);
    writer.text("UserId", &user.user_id);
    writer.text("Arn", &user.arn);
    envelope::moment(writer, "CreateDate", user.create_date);
    envelope::tags(writer, &user.tags);
}

fn access_key(writer: &mut XmlWriter, key: &AccessKey) {
    writer.text("UserName", &key.user_name);
    writer.text("AccessKeyId", &key.access_key_id);
    writer.text("Status", KeyStatus::Active.as_str());
    writer.text("SecretAccessKey", &key.secret_access_key);
    envelope::moment(writer, "CreateDate", key.create_date);
}

fn access_key_metadata(writer: &mut XmlWriter, key: &AccessKeyMetadata) {
    writer.optional("UserName", key.user_name.as_deref());
    writer.text("AccessKeyId", &key.access_key_id);
    writer.text("Status", key.status.as_str());
    envelope::moment(writer, "CreateDate", key.create_date);
}

fn last_use(writer: &mut XmlWriter, last_use: Option<&LastUse>) {
    if let Some(last_use) = last_use {
        envelope::moment(writer, "LastUsedDate", last_use.date);
    }
    let nothing = "N/A";
    writer.text(
        "ServiceName",
        last_use.map_or(nothing, |it| it.service.as_str()),
    );
    writer.text("Region", last_use.map_or(nothing, |it| &it.region));
}

fn inline_policy(writer: &mut XmlWriter, policy: &InlinePolicy) {
    match &policy.owner {
        Owner::User(name) => writer.text("UserName", name),
        Owner::Group(name) => writer.text("GroupName", name),
        Owner::Role(name) => writer.text("RoleName", name),
    }
    writer.text("PolicyName", &policy.policy_name);
    envelope::encoded(writer, "PolicyDocument", &policy.policy_document);
}

fn attached_policy(writer: &mut XmlWriter, policy: &AttachedPolicy) {
    writer.text("PolicyName", &policy.policy_name);
    writer.text("PolicyArn", &policy.policy_arn);
}

fn group(writer: &mut XmlWriter, group: &Group) {
    writer.text("Path", &group.path);
    writer.text("GroupName", &group.group_name);
    writer.text("GroupId", &group.group_id);
    writer.text("Arn", &group.arn);
    envelope::moment(writer, "CreateDate", group.create_date);
}

fn role(writer: &mut XmlWriter, role: &Role) {
    writer.text("Path", &role.path);
    writer.text("RoleName", &role.role_name);
    writer.text("RoleId", &role.role_id);
    writer.text("Arn", &role.arn);
    envelope::moment(writer, "CreateDate", role.create_date);
    let trust = &role.assume_role_policy_document;
    envelope::encoded(writer, "AssumeRolePolicyDocument", trust);
    writer.optional("Description", role.description.as_deref());
    writer.value("MaxSessionDuration", role.max_session_duration_s);
    envelope::tags(writer, &role.tags);
}

fn policy(writer: &mut XmlWriter, policy: &Policy) {
    writer.text("PolicyName", &policy.policy_name);
    writer.text("PolicyId", &policy.policy_id);
    writer.text("Arn", &policy.arn);
    writer.text("Path", &policy.path);
    writer.value("DefaultVersionId", policy.default_version);
    writer.value("AttachmentCount", policy.attachment_count);
    writer.value("PermissionsBoundaryUsageCount", 0);
    writer.value("IsAttachable", true);
    writer.optional("Description", policy.description.as_deref());
    envelope::moment(writer, "CreateDate", policy.create_date);
    envelope::moment(writer, "UpdateDate", policy.update_date);
    envelope::tags(writer, &policy.tags);
}

fn policy_version(writer: &mut XmlWriter, version: &PolicyVersion) {
    if let Some(document) = &version.document {
        envelope::encoded(writer, "Document", document);
    }
    writer.value("VersionId", version.version);
    writer.value("IsDefaultVersion", version.is_default);
    envelope::moment(writer, "CreateDate", version.create_date);
}

fn provider(writer: &mut XmlWriter, provider: &Provider) {
    writer.text("Url", &provider.url);
    envelope::texts(writer, "ClientIDList", &provider.client_ids);
    envelope::texts(writer, "ThumbprintList", &provider.thumbprints);
    envelope::moment(writer, "CreateDate", provider.create_date);
    envelope::tags(writer, &provider.tags);
}

#[cfg(test)]
mod tests;
