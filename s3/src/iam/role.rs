//! Roles, who may assume them, their policies and their tags.

use super::input::inputs;
use super::{Description, Path, PathPrefix, PolicyName, RoleName, Target};
use crate::arn::PolicyArn;
use crate::aws_query::{PageRequest, Tag, TagKey};
use crate::policy::{Policy, PolicyKind};

/// The shortest time, in seconds, that a role's sessions can be limited to; the limit unless
/// another is set.
pub const SESSION_LIMIT_MIN_S: u32 = 3600;

/// The longest time, in seconds, that a role's sessions can be limited to.
pub const SESSION_LIMIT_MAX_S: u32 = 43_200;

inputs! {
    CreateRole {
        role_name: RoleName = required("RoleName"),
        path: Path = or_default("Path"),
        assume_role_policy_document: Policy = policy("AssumeRolePolicyDocument", PolicyKind::RoleTrust),
        description: Option<Description> = optional("Description"),
        max_session_duration: Option<u32> = number("MaxSessionDuration", SESSION_LIMIT_MIN_S, SESSION_LIMIT_MAX_S),
        tags: Vec<Tag> = tags("Tags"),
    } => |it| Target::NewRole(&it.path, &it.role_name);

    GetRole {
        role_name: RoleName = required("RoleName"),
    } => |it| Target::Role(&it.role_name);

    UpdateRole {
        role_name: RoleName = required("RoleName"),
        description: Option<Description> = optional("Description"),
        max_session_duration: Option<u32> = number("MaxSessionDuration", SESSION_LIMIT_MIN_S, SESSION_LIMIT_MAX_S),
    } => |it| Target::Role(&it.role_name);

    UpdateRoleDescription {
        role_name: RoleName = required("RoleName"),
        description: Description = required("Description"),
    } => |it| Target::Role(&it.role_name);

    DeleteRole {
        role_name: RoleName = required("RoleName"),
    } => |it| Target::Role(&it.role_name);

    ListRoles {
        path_prefix: PathPrefix = or_default("PathPrefix"),
        page: PageRequest = page(),
    } => |_| Target::Everything;

    UpdateAssumeRolePolicy {
        role_name: RoleName = required("RoleName"),
        policy_document: Policy = policy("PolicyDocument", PolicyKind::RoleTrust),
    } => |it| Target::Role(&it.role_name);

    PutRolePolicy {
        role_name: RoleName = required("RoleName"),
        policy_name: PolicyName = required("PolicyName"),
        policy_document: Policy = policy("PolicyDocument", PolicyKind::Identity),
    } => |it| Target::Role(&it.role_name);

    GetRolePolicy {
        role_name: RoleName = required("RoleName"),
        policy_name: PolicyName = required("PolicyName"),
    } => |it| Target::Role(&it.role_name);

    DeleteRolePolicy {
        role_name: RoleName = required("RoleName"),
        policy_name: PolicyName = required("PolicyName"),
    } => |it| Target::Role(&it.role_name);

    ListRolePolicies {
        role_name: RoleName = required("RoleName"),
        page: PageRequest = page(),
    } => |it| Target::Role(&it.role_name);

    AttachRolePolicy {
        role_name: RoleName = required("RoleName"),
        policy_arn: PolicyArn = required("PolicyArn"),
    } => |it| Target::Role(&it.role_name);

    DetachRolePolicy {
        role_name: RoleName = required("RoleName"),
        policy_arn: PolicyArn = required("PolicyArn"),
    } => |it| Target::Role(&it.role_name);

    ListAttachedRolePolicies {
        role_name: RoleName = required("RoleName"),
        path_prefix: PathPrefix = or_default("PathPrefix"),
        page: PageRequest = page(),
    } => |it| Target::Role(&it.role_name);

    TagRole {
        role_name: RoleName = required("RoleName"),
        tags: Vec<Tag> = required_tags("Tags"),
    } => |it| Target::Role(&it.role_name);

    UntagRole {
        role_name: RoleName = required("RoleName"),
        tag_keys: Vec<TagKey> = required_tag_keys("TagKeys"),
    } => |it| Target::Role(&it.role_name);

    ListRoleTags {
        role_name: RoleName = required("RoleName"),
        page: PageRequest = page(),
    } => |it| Target::Role(&it.role_name);
}
