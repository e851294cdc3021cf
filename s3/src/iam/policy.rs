//! Managed policies and their versions.

use super::input::inputs;
use super::{
    Description, Path, PathPrefix, PolicyName, PolicyScope, PolicyUsage, Target, VersionId,
};
use crate::arn::PolicyArn;
use crate::aws_query::{PageRequest, Tag};
use crate::policy::{Policy, PolicyKind};

inputs! {
    CreatePolicy {
        policy_name: PolicyName = required("PolicyName"),
        path: Path = or_default("Path"),
        policy_document: Policy = policy("PolicyDocument", PolicyKind::Identity),
        description: Option<Description> = optional("Description"),
        tags: Vec<Tag> = tags("Tags"),
    } => |it| Target::NewPolicy(&it.path, &it.policy_name);

    GetPolicy {
        policy_arn: PolicyArn = required("PolicyArn"),
    } => |it| Target::Policy(&it.policy_arn);

    DeletePolicy {
        policy_arn: PolicyArn = required("PolicyArn"),
    } => |it| Target::Policy(&it.policy_arn);

    ListPolicies {
        scope: PolicyScope = or_default("Scope"),
        only_attached: bool = flag("OnlyAttached"),
        path_prefix: PathPrefix = or_default("PathPrefix"),
        usage: Option<PolicyUsage> = optional("PolicyUsageFilter"),
        page: PageRequest = page(),
    } => |_| Target::Everything;

    CreatePolicyVersion {
        policy_arn: PolicyArn = required("PolicyArn"),
        policy_document: Policy = policy("PolicyDocument", PolicyKind::Identity),
        set_as_default: bool = flag("SetAsDefault"),
    } => |it| Target::Policy(&it.policy_arn);

    GetPolicyVersion {
        policy_arn: PolicyArn = required("PolicyArn"),
        version_id: VersionId = required("VersionId"),
    } => |it| Target::Policy(&it.policy_arn);

    ListPolicyVersions {
        policy_arn: PolicyArn = required("PolicyArn"),
        page: PageRequest = page(),
    } => |it| Target::Policy(&it.policy_arn);

    DeletePolicyVersion {
        policy_arn: PolicyArn = required("PolicyArn"),
        version_id: VersionId = required("VersionId"),
    } => |it| Target::Policy(&it.policy_arn);

    SetDefaultPolicyVersion {
        policy_arn: PolicyArn = required("PolicyArn"),
        version_id: VersionId = required("VersionId"),
    } => |it| Target::Policy(&it.policy_arn);
}
