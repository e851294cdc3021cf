//! The `If-*` headers of a request as typed conditions.

use super::fields::Fields;
use crate::conditions::{DeleteConditions, ReadConditions, WriteCondition};
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

/// The condition of a write: `If-Match` or `If-None-Match`, one at a time.
pub(crate) fn write_condition(fields: Fields<'_>) -> Result<WriteCondition> {
    refuse_dates(fields)?;
    match (fields.header("if-match")?, fields.header("if-none-match")?) {
        (None, None) => Ok(WriteCondition::None),
        (Some(tags), None) => Ok(WriteCondition::IfMatch(ETagMatch::parse("If-Match", tags)?)),
        (None, Some(tags)) => {
            let tags = ETagMatch::parse("If-None-Match", tags)?;
            Ok(WriteCondition::IfNoneMatch(tags))
        }
        (Some(_), Some(_)) => Err(Error::not_implemented_header("If-None-Match")),
    }
}

/// The conditions of DeleteObject.
pub(crate) fn delete_conditions(fields: Fields<'_>) -> Result<DeleteConditions> {
    refuse_dates(fields)?;
    if fields.header(OF_OBJECT.if_none_match)?.is_some() {
        return Err(Error::not_implemented_header("If-None-Match"));
    }
    delete_conditions_of(
        fields.header(OF_OBJECT.if_match)?,
        fields.header("x-amz-if-match-last-modified-time")?,
        fields.header("x-amz-if-match-size")?,
    )
}

/// The conditions of a deletion as it states them, be it in headers or in XML. One that cannot be
/// read is refused: it was to keep something from being deleted.
pub(crate) fn delete_conditions_of(
    tags: Option<&str>,
    modified: Option<&str>,
    size_bytes: Option<&str>,
) -> Result<DeleteConditions> {
    let tags = tags.map(|text| ETagMatch::parse("If-Match", text));
    let moment = |text: &str| {
        parse_http_date(text).ok_or_else(|| {
            let name = "x-amz-if-match-last-modified-time";
            Error::invalid_argument(name, text, "The time must be an HTTP date")
        })
    };
    let size = |text: &str| {
        text.parse().map_err(|_| {
            Error::invalid_argument("x-amz-if-match-size", text, "The size must be a number")
        })
    };
    Ok(DeleteConditions {
        if_match: tags.transpose()?,
        modified: modified.map(moment).transpose()?,
        size_bytes: size_bytes.map(size).transpose()?,
    })
}

fn refuse_dates(fields: Fields<'_>) -> Result<()> {
    for name in [OF_OBJECT.if_modified_since, OF_OBJECT.if_unmodified_since] {
        if fields.header(name)?.is_some() {
            return Err(Error::not_implemented_header(name));
        }
    }
    Ok(())
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
        let create = WriteCondition::IfNoneMatch(ETagMatch::Any);
        assert_eq!(read(&[("if-none-match", "*")]).unwrap(), create);
        let none = WriteCondition::IfNoneMatch(ETagMatch::Tags(vec![]));
        assert_eq!(read(&[("if-none-match", "\"x\"")]).unwrap(), none);
        let any = WriteCondition::IfMatch(ETagMatch::Any);
        assert_eq!(read(&[("if-match", "*")]).unwrap(), any);
        for pairs in [
            &[("if-none-match", "*"), ("if-match", "*")][..],
            &[("if-modified-since", "Wed, 21 Oct 2015 07:28:00 GMT")],
        ] {
            assert_eq!(read(pairs).unwrap_err().code(), ErrorCode::NotImplemented);
        }
    }

    #[test]
    fn deletes_take_what_must_be_there() {
        let read = |pairs: &[(&'static str, &str)]| with(pairs, delete_conditions);
        assert_eq!(read(&[]).unwrap(), DeleteConditions::default());
        assert_eq!(DeleteConditions::default().header(), None);
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        let all = read(&[
            ("if-match", "*"),
            ("x-amz-if-match-last-modified-time", date),
            ("x-amz-if-match-size", "7"),
        ]);
        let expected = DeleteConditions {
            if_match: Some(ETagMatch::Any),
            modified: parse_http_date(date),
            size_bytes: Some(7),
        };
        assert_eq!(all.unwrap(), expected);
        let iso = delete_conditions_of(None, Some("2015-10-21T07:28:00.000Z"), None);
        assert_eq!(iso.unwrap().modified, expected.modified);
        for (pair, code) in [
            (("if-none-match", "*"), ErrorCode::NotImplemented),
            (("if-unmodified-since", date), ErrorCode::NotImplemented),
            (
                ("x-amz-if-match-last-modified-time", "soon"),
                ErrorCode::InvalidArgument,
            ),
            (("x-amz-if-match-size", "-1"), ErrorCode::InvalidArgument),
        ] {
            assert_eq!(read(&[pair]).unwrap_err().code(), code, "{pair:?}");
        }
    }
}
