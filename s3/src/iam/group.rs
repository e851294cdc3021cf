//! Groups, their members and their policies.

use super::input::inputs;
use super::{GroupName, Path, PathPrefix, PolicyName, Target, UserName};
use crate::arn::PolicyArn;
use crate::aws_query::PageRequest;
use crate::policy::{Policy, PolicyKind};

inputs! {
    CreateGroup {
        group_name: GroupName = required("GroupName"),
        path: Path = or_default("Path"),
    } => |it| Target::NewGroup(&it.path, &it.group_name);

    GetGroup {
        group_name: GroupName = required("GroupName"),
        page: PageRequest = page(),
    } => |it| Target::Group(&it.group_name);

    UpdateGroup {
        group_name: GroupName = required("GroupName"),
        new_path: Option<Path> = optional("NewPath"),
        new_group_name: Option<GroupName> = optional("NewGroupName"),
    } => |it| Target::Group(&it.group_name);

    DeleteGroup {
        group_name: GroupName = required("GroupName"),
    } => |it| Target::Group(&it.group_name);

    ListGroups {
        path_prefix: PathPrefix = or_default("PathPrefix"),
        page: PageRequest = page(),
    } => |_| Target::Everything;

    AddUserToGroup {
        group_name: GroupName = required("GroupName"),
        user_name: UserName = required("UserName"),
    } => |it| Target::Group(&it.group_name);

    RemoveUserFromGroup {
        group_name: GroupName = required("GroupName"),
        user_name: UserName = required("UserName"),
    } => |it| Target::Group(&it.group_name);

    ListGroupsForUser {
        user_name: UserName = required("UserName"),
        page: PageRequest = page(),
    } => |it| Target::User(&it.user_name);

    PutGroupPolicy {
        group_name: GroupName = required("GroupName"),
        policy_name: PolicyName = required("PolicyName"),
        policy_document: Policy = policy("PolicyDocument", PolicyKind::Identity),
    } => |it| Target::Group(&it.group_name);

    GetGroupPolicy {
        group_name: GroupName = required("GroupName"),
        policy_name: PolicyName = required("PolicyName"),
    } => |it| Target::Group(&it.group_name);

    DeleteGroupPolicy {
        group_name: GroupName = required("GroupName"),
        policy_name: PolicyName = required("PolicyName"),
    } => |it| Target::Group(&it.group_name);

    ListGroupPolicies {
        group_name: GroupName = required("GroupName"),
        page: PageRequest = page(),
    } => |it| Target::Group(&it.group_name);

    AttachGroupPolicy {
        group_name: GroupName = required("GroupName"),
        policy_arn: PolicyArn = required("PolicyArn"),
    } => |it| Target::Group(&it.group_name);

    DetachGroupPolicy {
        group_name: GroupName = required("GroupName"),
        policy_arn: PolicyArn = required("PolicyArn"),
    } => |it| Target::Group(&it.group_name);

    ListAttachedGroupPolicies {
        group_name: GroupName = required("GroupName"),
        path_prefix: PathPrefix = or_default("PathPrefix"),
        page: PageRequest = page(),
    } => |it| Target::Group(&it.group_name);
}
