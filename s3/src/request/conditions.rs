//! The `If-*` headers of a request as typed conditions.

use super::fields::Fields;
use crate::conditions::{ReadConditions, WriteCondition};
use crate::error::{Error, Result};
use crate::etag::ETagMatch;
use crate::time::parse_http_date;

/// The names of the four headers of a read.
struct Names {
    if_match: &'static str,
    if_none_match: &'static str,
    if_modified_since: &'static str,
    if_unmodified_since: &'static str,
}

const OF_OBJECT: Names = Names {
    if_match: "if-match",
    if_none_match: "if-none-match",
    if_modified_since: "if-modified-since",
    if_unmodified_since: "if-unmodified-since",
};

const OF_COPY_SOURCE: Names = Names {
    if_match: "x-amz-copy-source-if-match",
    if_none_match: "x-amz-copy-source-if-none-match",
    if_modified_since: "x-amz-copy-source-if-modified-since",
    if_unmodified_since: "x-amz-copy-source-if-unmodified-since",
};

/// The conditions of GetObject and HeadObject.
pub(crate) fn read_conditions(fields: Fields<'_>) -> Result<ReadConditions> {
    from_names(fields, &OF_OBJECT)
}

/// The conditions on the source of a copy.
pub(crate) fn copy_source_conditions(fields: Fields<'_>) -> Result<ReadConditions> {
    from_names(fields, &OF_COPY_SOURCE)
}

fn from_names(fields: Fields<'_>, names: &Names) -> Result<ReadConditions> {
    let tags = |name| {
        fields
            .header(name)?
            .map(|text| ETagMatch::parse(name, text))
            .transpose()
    };
    // A date that cannot be read is no condition (RFC 9110, section 13.1.3).
    let date = |name| Ok::<_, Error>(fields.header(name)?.and_then(parse_http_date));
    Ok(ReadConditions {
        if_match: tags(names.if_match)?,
        if_none_match: tags(names.if_none_match)?,
        if_modified_since: date(names.if_modified_since)?,
        if_unmodified_since: date(names.if_unmodified_since)?,
    })
}

/// The condition of a write or delete. S3 knows `If-Match` and `If-None-Match: *` there, one at a
/// time.
pub(crate) fn write_condition(fields: Fields<'_>) -> Result<WriteCondition> {
    for name in [OF_OBJECT.if_modified_since, OF_OBJECT.if_unmodified_since] {
        if fields.header(name)?.is_some() {
            return Err(Error::not_implemented_header(name));
        }
    }
    match (fields.header("if-match")?, fields.header("if-none-match")?) {
        (None, None) => Ok(WriteCondition::None),
        (Some(tags), None) => Ok(WriteCondition::IfMatch(ETagMatch::parse("If-Match", tags)?)),
        (None, Some("*")) => Ok(WriteCondition::IfNoneMatchAny),
        (_, Some(_)) => Err(Error::not_implemented_header("If-None-Match")),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName};

    use super::*;
    use crate::error::ErrorCode;
    use crate::operation::Query;

    fn with<T>(pairs: &[(&'static str, &str)], read: impl Fn(Fields<'_>) -> T) -> T {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        read(Fields {
            headers: &headers,
            query: &Query::default(),
        })
    }

    #[test]
    fn reads_take_all_four() {
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        let pairs = [
            ("if-match", "*"),
            ("if-none-match", "\"x\""),
            ("if-modified-since", date),
            ("if-unmodified-since", "nonsense"),
        ];
        let conditions = with(&pairs, read_conditions).unwrap();
        assert_eq!(conditions.if_match, Some(ETagMatch::Any));
        assert_eq!(conditions.if_none_match, Some(ETagMatch::Tags(vec![])));
        assert_eq!(conditions.if_modified_since, parse_http_date(date));
        assert_eq!(conditions.if_unmodified_since, None);
        assert_eq!(
            with(&pairs, copy_source_conditions).unwrap(),
            ReadConditions::default()
        );
    }

    #[test]
    fn writes_take_one() {
        let read = |pairs: &[(&'static str, &str)]| with(pairs, write_condition);
        assert_eq!(read(&[]).unwrap(), WriteCondition::None);
        assert_eq!(
            read(&[("if-none-match", "*")]).unwrap(),
            WriteCondition::IfNoneMatchAny
        );
        let any = WriteCondition::IfMatch(ETagMatch::Any);
        assert_eq!(read(&[("if-match", "*")]).unwrap(), any);
        for pairs in [
            &[("if-none-match", "\"x\"")][..],
            &[("if-none-match", "*"), ("if-match", "*")],
            &[("if-modified-since", "Wed, 21 Oct 2015 07:28:00 GMT")],
        ] {
            assert_eq!(read(pairs).unwrap_err().code(), ErrorCode::NotImplemented);
        }
    }
}
