//! Access keys, and what there is to know of an account.

use super::input::inputs;
use super::{AccessKeyId, KeyStatus, Target, UserName};
use crate::aws_query::PageRequest;

inputs! {
    CreateAccessKey {
        user_name: Option<UserName> = optional("UserName"),
    } => |it| Target::user_or_caller(it.user_name.as_ref());

    UpdateAccessKey {
        user_name: Option<UserName> = optional("UserName"),
        access_key_id: AccessKeyId = required("AccessKeyId"),
        status: KeyStatus = required("Status"),
    } => |it| Target::user_or_caller(it.user_name.as_ref());

    DeleteAccessKey {
        user_name: Option<UserName> = optional("UserName"),
        access_key_id: AccessKeyId = required("AccessKeyId"),
    } => |it| Target::user_or_caller(it.user_name.as_ref());

    ListAccessKeys {
        user_name: Option<UserName> = optional("UserName"),
        page: PageRequest = page(),
    } => |it| Target::user_or_caller(it.user_name.as_ref());

    GetAccessKeyLastUsed {
        access_key_id: AccessKeyId = required("AccessKeyId"),
    } => |it| Target::OwnerOf(&it.access_key_id);

    GetAccountSummary {} => |_| Target::Everything;

    ListAccountAliases {
        page: PageRequest = page(),
    } => |_| Target::Everything;
}
