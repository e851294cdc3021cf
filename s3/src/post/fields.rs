//! The fields before the file.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, ErrorCode, Result};

/// The most bytes of all names and values together, as at AWS.
pub const FIELDS_BYTES_MAX: usize = 20 * 1024;

/// The most fields.
pub const FIELDS_MAX: usize = 100;

/// What stands for the file's name in a value.
const FILENAME_VARIABLE: &str = "${filename}";

/// Fields that stand for the header of the same name, besides those that begin with `x-amz-`.
const HEADER_FIELDS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
];

/// `x-amz-` fields that are about the form, not the object.
const FORM_FIELDS: [&str; 5] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
];

/// The fields of a form, in order, known by their names in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormFields {
    fields: Vec<FormField>,
    size_bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FormField {
    /// In lower case.
    name: String,
    name_as_sent: String,
    value: String,
}

/// The error for a form that says too much before its file.
pub(super) fn too_much_before_the_file() -> Error {
    Error::new(ErrorCode::MaxPostPreDataLengthExceededError)
        .field("MaxPostPreDataLengthBytes", FIELDS_BYTES_MAX.to_string())
}

/// The error for a field that has to be there.
pub(super) fn missing(name: &'static str) -> Error {
    let message = format!(
        "Bucket POST must contain a field named '{name}'.  If it is specified, please check the \
         order of the fields."
    );
    Error::invalid_argument(name, "", message)
}

impl FormFields {
    /// The value of a field, by its name in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields
            .find(|field| field.name == name)
            .map(|field| field.value.as_str())
    }

    /// The names as they were sent, and in lower case.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|field| (field.name_as_sent.as_str(), field.name.as_str()))
    }

    /// How many bytes of a further value there is room for.
    pub(super) const fn room_bytes(&self) -> usize {
        FIELDS_BYTES_MAX - self.size_bytes
    }

    /// Adds a field. A second one of a name adds to the first one's value, after a comma.
    ///
    /// # Errors
    /// `MaxPostPreDataLengthExceededError`.
    pub(super) fn push(&mut self, name_as_sent: &str, value: &str) -> Result<()> {
        let size_bytes = name_as_sent.len() + value.len();
        if self.fields.len() == FIELDS_MAX || size_bytes > self.room_bytes() {
            return Err(too_much_before_the_file());
        }
        self.size_bytes += size_bytes;
        let name = name_as_sent.to_ascii_lowercase();
        match self.fields.iter_mut().find(|field| field.name == name) {
            Some(first) => {
                first.value.push(',');
                first.value.push_str(value);
            }
            None => self.fields.push(FormField {
                name,
                name_as_sent: name_as_sent.to_owned(),
                value: value.to_owned(),
            }),
        }
        Ok(())
    }

    /// Puts the file's name where a value asks for it. Of a path only what follows the last slash
    /// or backslash counts.
    ///
    /// # Errors
    /// `MaxPostPreDataLengthExceededError`: the values grew too much.
    pub(super) fn expand_filename(&mut self, path: &str) -> Result<()> {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        for field in &mut self.fields {
            let count = field.value.matches(FILENAME_VARIABLE).count();
            // Checked before it is done: many variables and a long name make much of little.
            let grown_bytes = count.saturating_mul(name.len());
            if grown_bytes > FIELDS_BYTES_MAX {
                return Err(too_much_before_the_file());
            }
            if count > 0 {
                field.value = field.value.replace(FILENAME_VARIABLE, name);
            }
        }
        Ok(())
    }

    /// The headers that a PutObject of the same object would have.
    ///
    /// # Errors
    /// `InvalidArgument` (what can't be a header), `InvalidRequest` (both `acl` and `x-amz-acl`).
    pub(super) fn to_headers(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for field in &self.fields {
            let name = match field.name.as_str() {
                "acl" => "x-amz-acl",
                name if FORM_FIELDS.contains(&name) => continue,
                name if name.starts_with("x-amz-") || HEADER_FIELDS.contains(&name) => name,
                _ => continue,
            };
            // Forms are sent with the inputs that were left empty.
            if field.value.is_empty() && HEADER_FIELDS.contains(&name) {
                continue;
            }
            let (Ok(name), Ok(value)) = (
                HeaderName::try_from(name),
                HeaderValue::from_bytes(field.value.as_bytes()),
            ) else {
                return Err(Error::invalid_argument(
                    field.name.as_str(),
                    field.value.as_str(),
                    "The field cannot be a header",
                ));
            };
            if headers.insert(name, value).is_some() {
                return Err(Error::new(ErrorCode::InvalidRequest)
                    .message("Only one of the fields acl and x-amz-acl may be specified"));
            }
        }
        Ok(headers)
    }
}

#[cfg(test)]
pub(super) fn fields(pairs: &[(&str, &str)]) -> FormFields {
    let mut fields = FormFields::default();
    for (name, value) in pairs {
        fields.push(name, value).unwrap();
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_doubles_are_joined() {
        let fields = fields(&[("kEy", "a"), ("X-Amz-Meta-T", "1"), ("x-amz-meta-t", "2")]);
        assert_eq!(fields.get("key"), Some("a"));
        assert_eq!(fields.get("x-amz-meta-t"), Some("1,2"));
        assert_eq!(fields.get("acl"), None);
    }

    #[test]
    fn the_file_gives_its_name_without_its_path() {
        for (key, path, expected) in [
            ("${filename}", "foo.txt", "foo.txt"),
            ("a/${filename}/${filename}", "b c", "a/b c/b c"),
            ("a/${filename}", "C:\\dir/sub\\file.txt", "a/file.txt"),
            ("a/${filename}", "", "a/"),
            ("a/${filename}", "dir/", "a/"),
            ("$filename", "x", "$filename"),
            ("${filename}", "${filename}", "${filename}"),
        ] {
            let mut fields = fields(&[("key", key)]);
            fields.expand_filename(path).unwrap();
            assert_eq!(fields.get("key"), Some(expected), "{key} {path}");
        }
    }

    #[test]
    fn fields_are_bounded() {
        let code = |result: Result<()>| result.map_err(|error| error.code());
        let exceeded = Err(ErrorCode::MaxPostPreDataLengthExceededError);
        let mut full = FormFields::default();
        full.push("key", &"v".repeat(FIELDS_BYTES_MAX - 3)).unwrap();
        assert_eq!(full.room_bytes(), 0);
        assert_eq!(code(full.push("a", "")), exceeded);

        let mut many = FormFields::default();
        for index in 0..FIELDS_MAX {
            many.push(&format!("f{index}"), "").unwrap();
        }
        assert_eq!(code(many.push("a", "")), exceeded);

        let mut growing = fields(&[("key", &FILENAME_VARIABLE.repeat(1000))]);
        assert_eq!(code(growing.expand_filename(&"n".repeat(1000))), exceeded);
    }

    #[test]
    fn fields_stand_for_headers() {
        let pairs = [
            ("key", "k"),
            ("acl", "public-read"),
            ("Content-Type", "text/plain"),
            ("Cache-Control", ""),
            ("x-amz-meta-Colour", "grün"),
            ("x-amz-meta-empty", ""),
            ("x-amz-date", "20130524T000000Z"),
            ("X-Amz-Signature", "s"),
            ("submit", "Upload"),
        ];
        let headers = fields(&pairs).to_headers().unwrap();
        let read: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let expected: [(&str, &[u8]); 4] = [
            ("x-amz-acl", b"public-read"),
            ("content-type", b"text/plain"),
            ("x-amz-meta-colour", "grün".as_bytes()),
            ("x-amz-meta-empty", b""),
        ];
        assert_eq!(read.len(), expected.len());
        assert!(expected.iter().all(|pair| read.contains(pair)), "{read:?}");
        for (pairs, code) in [
            (
                [("content-type", "a\r\nb"), ("", "")],
                ErrorCode::InvalidArgument,
            ),
            (
                [("x-amz-meta- ", "a"), ("", "")],
                ErrorCode::InvalidArgument,
            ),
            (
                [("acl", "private"), ("x-amz-acl", "public-read")],
                ErrorCode::InvalidRequest,
            ),
        ] {
            let error = fields(&pairs).to_headers().unwrap_err();
            assert_eq!(error.code(), code, "{pairs:?}");
        }
    }
}
