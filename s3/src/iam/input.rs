//! The form of an operation's parameters.

use super::Target;
use crate::aws_query::Form;
use crate::error::Result;

/// The parameters of one operation.
pub(super) trait Input: Sized {
    /// Takes them from a form.
    fn read(form: &mut Form) -> Result<Self>;

    /// What the operation acts on.
    fn target(&self) -> Target<'_>;
}

/// Declares the parameters of operations: for each field its name, its type, and how it is taken
/// from the form; then, after the arrow, what the operation acts on.
macro_rules! inputs {
    ($(
        $type:ident {
            $($field:ident: $of:ty = $taken:ident($($argument:expr),*),)*
        } => |$it:pat_param| $target:expr;
    )*) => {$(
        #[doc = concat!("The parameters of `", stringify!($type), "`.")]
        #[derive(Debug, Clone)]
        pub struct $type {
            $(
                #[doc = concat!("Taken as `", stringify!($taken), "(", stringify!($($argument),*), ")`.")]
                pub $field: $of,
            )*
        }

        impl $crate::iam::input::Input for $type {
            fn read(form: &mut $crate::aws_query::Form) -> $crate::error::Result<Self> {
                let _ = &form;
                Ok(Self {
                    $($field: form.$taken($($argument),*)?,)*
                })
            }

            fn target(&self) -> $crate::iam::Target<'_> {
                let $it = self;
                $target
            }
        }
    )*};
}
pub(super) use inputs;
