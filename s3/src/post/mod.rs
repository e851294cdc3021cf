//! Uploads from HTML forms: `POST /bucket` with a body of `multipart/form-data`.
//!
//! What PutObject takes from headers stands in form fields here, before the file; what comes after
//! the file is ignored. A signed form carries a policy, which says what the fields may be, and the
//! signature is the policy's. As with other requests the secret is looked up in between:
//!
//! ```text
//! head, body -> PostForm -> PostAuthentication -> (secret, by the caller) -> verify -> PostPolicy
//! PostPolicy::check -> LengthRange -> PostFile::within
//! FormFields -> PostObjectInput -> (the write, by the caller) -> PostObjectOutput
//! ```

mod answer;
mod claim;
mod fields;
mod file;
mod form;
mod input;
mod pieces;
mod policy;

pub use answer::PostObjectOutput;
pub use claim::{PostAuthentication, PostClaim};
pub use fields::{FIELDS_BYTES_MAX, FIELDS_MAX, FormFields};
pub use file::PostFile;
pub use form::PostForm;
pub use input::{PostObjectInput, SuccessAction};
pub use policy::{LengthRange, PostPolicy};
