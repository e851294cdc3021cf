//! Forms of browsers: up to their file, the file, who signed them and their policy.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue};
use riquet_s3::post::{
    FIELDS_BYTES_MAX, FormFields, LengthRange, PostAuthentication, PostForm, PostObjectInput,
};
use riquet_s3::{BucketName, ObjectKey, Result, Timestamp};

use super::pieces::{Pieces, wait};
use super::signed::{CREDENTIAL, DATE, REGION, SECRET, sign};

/// A form as it comes.
pub(crate) const EXAMPLE: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n\
    a/${filename}\r\n--b\r\nContent-Disposition: form-data; name=\"acl\"\r\n\r\nprivate\r\n--b\r\n\
    Content-Disposition: form-data; name=\"tagging\"\r\n\r\n<Tagging><TagSet/></Tagging>\r\n--b\r\n\
    Content-Disposition: form-data; name=\"x-amz-meta-a\"\r\n\r\nb\r\n--b\r\nContent-Disposition: \
    form-data; name=\"success_action_redirect\"\r\n\r\nhttp://a.b/c\r\n--b\r\nContent-Disposition: \
    form-data; name=\"AWSAccessKeyId\"\r\n\r\nA\r\n--b\r\nContent-Disposition: form-data; \
    name=\"policy\"\r\n\r\ne30=\r\n--b\r\nContent-Disposition: form-data; name=\"signature\"\r\n\r\n\
    vjbyPxybdZaNmGa+yT272YEAiv4=\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"c:\\f.txt\"\r\nContent-Type: text/plain\r\n\r\n\
    12345\r\n--b--\r\n";

/// A policy.
pub(crate) const POLICY_EXAMPLE: &[u8] = b"{\"expiration\":\"2030-12-30T12:00:00.000Z\",\
    \"conditions\":[{\"bucket\":\"bucket\"},[\"starts-with\",\"$key\",\"a/\"],[\"eq\",\
    \"$x-amz-algorithm\",\"AWS4-HMAC-SHA256\"],[\"starts-with\",\"$x-amz-credential\",\"\"],\
    {\"x-amz-date\":\"20130524T000000Z\"},[\"content-length-range\",\"0\",10]]}";

struct Form {
    fields: FormFields,
    key: ObjectKey,
    file: Vec<u8>,
}

/// Whether a form as it came is taken.
pub(crate) fn check(body: &[u8], lengths: &[u8]) -> bool {
    let form = read(body, lengths, LengthRange::ANY).ok();
    let whole = read(body, &[], LengthRange::ANY).ok();
    assert_eq!(
        form.is_some(),
        whole.is_some(),
        "the pieces make a difference"
    );
    let (Some(form), Some(whole)) = (form, whole) else {
        return false;
    };
    assert_eq!((&form.fields, &form.key), (&whole.fields, &whole.key));
    assert_eq!(form.file, whole.file);
    if let Ok(PostAuthentication::Signed(claim)) = PostAuthentication::parse(&form.fields) {
        assert!(claim.verify("not in any input", REGION).is_err());
    }
    PostObjectInput::parse(&form.fields, bucket(), form.key).is_ok()
}

/// Whether the policy of a form that is signed is understood.
pub(crate) fn check_policy(policy: &[u8], content: &[u8]) -> bool {
    let policy = BASE64.encode(policy);
    if policy.len() > FIELDS_BYTES_MAX / 2 || content.windows(3).any(|three| three == b"--b") {
        return false;
    }
    let signature = sign(&policy);
    let mut body = Vec::new();
    for (name, value) in [
        ("Key", "a/${filename}".as_bytes()),
        ("X-Amz-Algorithm", b"AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", CREDENTIAL.as_bytes()),
        ("X-Amz-Date", DATE.as_bytes()),
        ("Policy", policy.as_bytes()),
        ("X-Amz-Signature", signature.as_bytes()),
        ("file\"; filename=\"f", content),
    ] {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend(head.bytes());
        body.extend(value);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");

    let form = read(&body, content, LengthRange::ANY).unwrap();
    assert_eq!((form.key.as_str(), &*form.file), ("a/f", content));
    assert_eq!(form.fields.get("policy"), Some(&*policy));
    let PostAuthentication::Signed(claim) = PostAuthentication::parse(&form.fields).unwrap() else {
        panic!("it is signed");
    };
    let Ok(policy) = claim.verify(SECRET, REGION) else {
        return false;
    };
    let Ok(range) = policy.check(&form.fields, &bucket(), Timestamp::UNIX_EPOCH) else {
        return false;
    };
    let size_bytes = content.len() as u64;
    let fits = (range.min_bytes..=range.max_bytes).contains(&size_bytes);
    assert_eq!(read(&body, content, range).is_ok(), fits);
    true
}

fn bucket() -> BucketName {
    BucketName::parse("bucket").unwrap()
}

fn read(body: &[u8], lengths: &[u8], range: LengthRange) -> Result<Form> {
    let mut headers = HeaderMap::new();
    let media_type = HeaderValue::from_static("multipart/form-data; boundary=b");
    headers.insert("content-type", media_type);
    let form = wait(PostForm::read(&headers, Pieces::new(body, lengths)))?;
    let mut file = form.file.within(range);
    let mut content = Vec::new();
    while let Some(bytes) = wait(file.next()) {
        content.extend_from_slice(&bytes?);
        assert!(content.len() <= body.len(), "it yields more than came in");
    }
    Ok(Form {
        fields: form.fields,
        key: form.key,
        file: content,
    })
}
