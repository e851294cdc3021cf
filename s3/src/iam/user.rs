//! Users, their policies and their tags.

use super::input::inputs;
use super::{Path, PathPrefix, PolicyName, Target, UserName};
use crate::arn::PolicyArn;
use crate::aws_query::{PageRequest, Tag, TagKey};
use crate::policy::{Policy, PolicyKind};

inputs! {
    CreateUser {
        user_name: UserName = required("UserName"),
        path: Path = or_default("Path"),
        tags: Vec<Tag> = tags("Tags"),
    } => |it| Target::NewUser(&it.path, &it.user_name);

    GetUser {
        user_name: Option<UserName> = optional("UserName"),
    } => |it| Target::user_or_caller(it.user_name.as_ref());

    UpdateUser {
        user_name: UserName = required("UserName"),
        new_path: Option<Path> = optional("NewPath"),
        new_user_name: Option<UserName> = optional("NewUserName"),
    } => |it| Target::User(&it.user_name);

    DeleteUser {
        user_name: UserName = required("UserName"),
    } => |it| Target::User(&it.user_name);

    ListUsers {
        path_prefix: PathPrefix = or_default("PathPrefix"),
        page: PageRequest = page(),
    } => |_| Target::Everything;

    PutUserPolicy {
        user_name: UserName = required("UserName"),
        policy_name: PolicyName = required("PolicyName"),
        policy_document: Policy = policy("PolicyDocument", PolicyKind::Identity),
    } => |it| Target::User(&it.user_name);

    GetUserPolicy {
        user_name: UserName = required("UserName"),
        policy_name: PolicyName = required("PolicyName"),
    } => |it| Target::User(&it.user_name);

    DeleteUserPolicy {
        user_name: UserName = required("UserName"),
        policy_name: PolicyName = required("PolicyName"),
    } => |it| Target::User(&it.user_name);

    ListUserPolicies {
        user_name: UserName = required("UserName"),
        page: PageRequest = page(),
    } => |it| Target::User(&it.user_name);

    AttachUserPolicy {
        user_name: UserName = required("UserName"),
        policy_arn: PolicyArn = required("PolicyArn"),
    } => |it| Target::User(&it.user_name);

    DetachUserPolicy {
        user_name: UserName = required("UserName"),
        policy_arn: PolicyArn = required("PolicyArn"),
    } => |it| Target::User(&it.user_name);

    ListAttachedUserPolicies {
        user_name: UserName = required("UserName"),
        path_prefix: PathPrefix = or_default("PathPrefix"),
        page: PageRequest = page(),
    } => |it| Target::User(&it.user_name);

    TagUser {
        user_name: UserName = required("UserName"),
        tags: Vec<Tag> = required_tags("Tags"),
    } => |it| Target::User(&it.user_name);

    UntagUser {
        user_name: UserName = required("UserName"),
        tag_keys: Vec<TagKey> = required_tag_keys("TagKeys"),
    } => |it| Target::User(&it.user_name);

    ListUserTags {
        user_name: UserName = required("UserName"),
        page: PageRequest = page(),
    } => |it| Target::User(&it.user_name);
}
