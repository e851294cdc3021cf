//! Requests of a client, from the socket to the shards and back.

mod cases;
mod support;
mod telling;

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use riquet_gateway::config::Limits;
use riquet_metadata::command::{DeleteObject, NewBucket};
use support::Store;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Bytes that no two places have in common.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251) as u8).collect()
}

async fn store_with_bucket() -> Store {
    let store = Store::start().await;
    assert_eq!(store.put("/bucket", "").await.status, 200);
    store
}

#[tokio::test]
async fn objects_of_every_size_come_back() {
    let store = store_with_bucket().await;
    for size in [0, 1, 4096, 4097, 8192, 131_072, 131_073, 1_000_000] {
        let content = bytes(size);
        let put = store.put("/bucket/a%20key/%C3%BC", content.clone()).await;
        assert_eq!(put.status, 200, "{}", put.text());
        assert!(!put.header("x-amz-request-id").is_empty());
        let got = store.get("/bucket/a%20key/%C3%BC").await;
        assert_eq!(got.status, 200);
        assert_eq!(got.header("etag"), put.header("etag"));
        assert_eq!(got.header("content-length"), size.to_string());
        assert!(got.body == content, "{size} bytes differ");
        let head = store
            .call(Method::HEAD, "/bucket/a%20key/%C3%BC", &[], "")
            .await;
        assert_eq!(head.header("content-length"), size.to_string());
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn ranges_and_conditions() {
    let store = store_with_bucket().await;
    let content = bytes(300_000);
    let put = store.put("/bucket/key", content.clone()).await;
    let got = store
        .call(
            Method::GET,
            "/bucket/key",
            &[("range", "bytes=100000-100009")],
            "",
        )
        .await;
    assert_eq!(got.status, 206);
    assert_eq!(got.header("content-range"), "bytes 100000-100009/300000");
    assert_eq!(got.body, content[100_000..100_010]);
    let last = store
        .call(Method::GET, "/bucket/key", &[("range", "bytes=-7")], "")
        .await;
    assert_eq!(last.body, content[299_993..]);
    let past = store
        .call(
            Method::GET,
            "/bucket/key",
            &[("range", "bytes=300000-")],
            "",
        )
        .await;
    assert_eq!(
        (past.status.as_u16(), past.element("Code")),
        (416, "InvalidRange")
    );

    let tag = put.header("etag").to_owned();
    let same = store
        .call(Method::GET, "/bucket/key", &[("if-none-match", &tag)], "")
        .await;
    assert_eq!(same.status, 304);
    assert!(same.body.is_empty());
    let other = store
        .call(Method::GET, "/bucket/key", &[("if-match", "\"00\"")], "")
        .await;
    assert_eq!(other.status, 412);
    let taken = store
        .call(Method::PUT, "/bucket/key", &[("if-none-match", "*")], "new")
        .await;
    assert_eq!(
        (taken.status.as_u16(), taken.element("Code")),
        (412, "PreconditionFailed")
    );
    let swap = store
        .call(Method::PUT, "/bucket/key", &[("if-match", &tag)], "new")
        .await;
    assert_eq!(swap.status, 200);
    assert_eq!(store.get("/bucket/key").await.body, "new");
}

#[tokio::test]
async fn a_refused_upload_leaves_nothing() {
    let store = store_with_bucket().await;
    let big = bytes(500_000);
    let wrong = "1B2M2Y8AsgTpgAmY7PhCfg==";
    for body in [big.clone(), b"small".to_vec()] {
        let put = store
            .call(Method::PUT, "/bucket/key", &[("content-md5", wrong)], body)
            .await;
        assert_eq!(
            (put.status.as_u16(), put.element("Code")),
            (400, "BadDigest")
        );
        assert_eq!(store.get("/bucket/key").await.element("Code"), "NoSuchKey");
    }
    store.await_no_shards().await;

    // A condition that fails at the commit, after the bytes were stored.
    store.put("/bucket/key", "there").await;
    let put = store
        .call(Method::PUT, "/bucket/key", &[("if-none-match", "*")], big)
        .await;
    assert_eq!(put.status, 412);
    store.await_no_shards().await;
    assert_eq!(store.get("/bucket/key").await.body, "there");
}

#[tokio::test]
async fn a_client_that_leaves_half_way_leaves_nothing() {
    let store = store_with_bucket().await;
    let request = store.signed(Method::PUT, "/bucket/key", &[], Bytes::new());
    let mut text = format!(
        "PUT {} HTTP/1.1\r\ncontent-length: 1000000\r\n",
        request.uri()
    );
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\r\n", value.to_str().expect("ASCII"));
    }
    text += "\r\n";
    let mut stream = TcpStream::connect(store.address).await.expect("it listens");
    stream.write_all(text.as_bytes()).await.expect("the head");
    stream
        .write_all(&bytes(400_000))
        .await
        .expect("some of the body");
    let some_stored = async {
        while store.shards() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), some_stored)
        .await
        .expect("a chunk is stored");
    drop(stream);
    store.await_no_shards().await;
    assert_eq!(store.get("/bucket/key").await.status, 404);
}

#[tokio::test]
async fn a_request_that_is_refused_is_not_told_to_continue() {
    let store = store_with_bucket().await;
    let head = format!(
        "PUT /bucket/key HTTP/1.1\r\nhost: {}\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n",
        store.address
    );
    let mut stream = TcpStream::connect(store.address).await.expect("it listens");
    stream.write_all(head.as_bytes()).await.expect("the head");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("an answer, then the end");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
    assert!(
        answer.to_lowercase().contains("\r\nconnection: close\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn who_asks_wrongly_is_told_so() {
    let store = store_with_bucket().await;
    let mut forged = store.signed(Method::GET, "/bucket/key", &[], Bytes::new());
    *forged.uri_mut() = "/bucket/other".parse().expect("a path");
    assert_eq!(
        store.send(forged).await.element("Code"),
        "SignatureDoesNotMatch"
    );

    let mut unknown = store.signed(Method::GET, "/bucket/key", &[], Bytes::new());
    let header = unknown.headers()["authorization"].to_str().expect("ASCII");
    let header = header.replace(support::ACCESS_KEY, "AKIANOBODY");
    unknown
        .headers_mut()
        .insert("authorization", header.parse().expect("a value"));
    assert_eq!(
        store.send(unknown).await.element("Code"),
        "InvalidAccessKeyId"
    );

    assert_eq!(
        store.get("/nobucket/key").await.element("Code"),
        "NoSuchBucket"
    );
    assert_eq!(store.get("/bucket/key").await.element("Code"), "NoSuchKey");
    assert_eq!(
        store.get("/bucket/key?torrent").await.element("Code"),
        "NotImplemented"
    );
    assert_eq!(
        store.put("/B_/key", "").await.element("Code"),
        "InvalidBucketName"
    );
    let malformed = store
        .call(
            Method::POST,
            "/bucket?delete",
            &[("content-md5", "rL0Y20zC+Fzt72VPzMSk2A==")],
            "<oops",
        )
        .await;
    assert!(malformed.status.is_client_error(), "{}", malformed.text());
    let location = "<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint></CreateBucketConfiguration>";
    let elsewhere = store.put("/another", location).await;
    assert_eq!(
        elsewhere.element("Code"),
        "IllegalLocationConstraintException"
    );
    let again = store.put("/bucket", "").await;
    assert_eq!(again.element("Code"), "BucketAlreadyOwnedByYou");
}

#[tokio::test]
async fn an_object_in_parts() {
    let store = store_with_bucket().await;
    let begun = store
        .call(
            Method::POST,
            "/bucket/key?uploads",
            &[("x-amz-meta-colour", "red")],
            "",
        )
        .await;
    let id = begun.element("UploadId").to_owned();
    let parts = [bytes(5 << 20), bytes(1_000_000), b"tail".to_vec()];
    let mut document = String::from("<CompleteMultipartUpload>");
    // The middle part is too small to be there in the end.
    for (number, part) in [(1, &parts[0]), (2, &parts[1]), (9, &parts[2])] {
        let path = format!("/bucket/key?partNumber={number}&uploadId={id}");
        let put = store.put(&path, part.clone()).await;
        assert_eq!(put.status, 200, "{}", put.text());
        if number != 2 {
            let tag = put.header("etag");
            document +=
                &format!("<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>");
        }
    }
    document += "</CompleteMultipartUpload>";
    let listed = store.get(&format!("/bucket/key?uploadId={id}")).await;
    assert_eq!(
        listed.text().matches("<Part>").count(),
        3,
        "{}",
        listed.text()
    );
    let uploads = store.get("/bucket?uploads").await;
    assert_eq!(uploads.element("UploadId"), id);

    let path = format!("/bucket/key?uploadId={id}");
    let done = store.call(Method::POST, &path, &[], document.clone()).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.element("ETag").ends_with("-2&quot;") || done.element("ETag").ends_with("-2\""));
    let again = store.call(Method::POST, &path, &[], document).await;
    assert_eq!(
        again.element("ETag"),
        done.element("ETag"),
        "a repeated completion"
    );

    let got = store.get("/bucket/key").await;
    assert!(
        got.body == [&parts[0][..], &parts[2][..]].concat(),
        "the parts in order"
    );
    assert_eq!(got.header("x-amz-meta-colour"), "red");
    let last = store.get("/bucket/key?partNumber=9").await;
    assert_eq!((last.status.as_u16(), &last.body[..]), (206, &parts[2][..]));
    assert_eq!(last.header("x-amz-mp-parts-count"), "2");
    let gone = store.get(&format!("/bucket/key?uploadId={id}")).await;
    assert_eq!(gone.element("Code"), "NoSuchUpload");
}

#[tokio::test]
async fn copies_have_their_own_bytes() {
    let store = store_with_bucket().await;
    let content = bytes(200_000);
    let headers = [("content-type", "text/x-data"), ("x-amz-meta-a", "1")];
    let put = store
        .call(Method::PUT, "/bucket/from", &headers, content.clone())
        .await;
    let copy = store
        .call(
            Method::PUT,
            "/bucket/to",
            &[("x-amz-copy-source", "/bucket/from")],
            "",
        )
        .await;
    assert_eq!(copy.status, 200, "{}", copy.text());
    let replaced = [
        ("x-amz-copy-source", "bucket/from"),
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-meta-b", "2"),
    ];
    let onto_itself = store.call(Method::PUT, "/bucket/from", &replaced, "").await;
    assert_eq!(onto_itself.status, 200, "{}", onto_itself.text());

    let to = store.get("/bucket/to").await;
    assert!(to.body == content);
    assert_eq!(to.header("etag"), put.header("etag"));
    assert_eq!(
        (to.header("content-type"), to.header("x-amz-meta-a")),
        ("text/x-data", "1")
    );
    let from = store.get("/bucket/from").await;
    assert!(from.body == content);
    assert_eq!(
        (from.header("x-amz-meta-a"), from.header("x-amz-meta-b")),
        ("", "2")
    );
    let illegal = store
        .call(
            Method::PUT,
            "/bucket/to",
            &[("x-amz-copy-source", "/bucket/to")],
            "",
        )
        .await;
    assert_eq!(illegal.element("Code"), "InvalidRequest");
}

#[tokio::test]
async fn listings_and_deletions() {
    let store = store_with_bucket().await;
    for key in ["a", "b/1", "b/2", "c"] {
        store.put(&format!("/bucket/{key}"), key.to_owned()).await;
    }
    let first = store
        .get("/bucket?list-type=2&delimiter=%2F&max-keys=2")
        .await;
    assert_eq!(first.element("IsTruncated"), "true");
    assert!(first.text().contains("<Key>a</Key>") && first.text().contains("<Prefix>b/</Prefix>"));
    let token = first.element("NextContinuationToken");
    let rest = store
        .get(&format!(
            "/bucket?continuation-token={token}&delimiter=%2F&list-type=2&max-keys=2"
        ))
        .await;
    assert_eq!(
        (rest.element("IsTruncated"), rest.element("Key")),
        ("false", "c"),
        "{}",
        rest.text()
    );
    assert_eq!(
        store
            .get("/bucket?versions")
            .await
            .text()
            .matches("<Version>")
            .count(),
        4
    );
    assert_eq!(
        store
            .call(Method::DELETE, "/bucket", &[], "")
            .await
            .element("Code"),
        "BucketNotEmpty"
    );

    assert_eq!(
        store
            .call(Method::DELETE, "/bucket/c", &[], "")
            .await
            .status,
        204
    );
    assert_eq!(
        store
            .call(Method::DELETE, "/bucket/c", &[], "")
            .await
            .status,
        204
    );
    let document = "<Delete><Object><Key>a</Key></Object><Object><Key>b/1</Key></Object>\
                    <Object><Key>b/2</Key></Object><Object><Key>none</Key></Object></Delete>";
    let checksum = ("x-amz-checksum-crc32", crc32_base64(document));
    let deleted = store
        .call(
            Method::POST,
            "/bucket?delete",
            &[(checksum.0, &checksum.1)],
            document,
        )
        .await;
    assert_eq!(
        deleted.text().matches("<Deleted>").count(),
        4,
        "{}",
        deleted.text()
    );
    assert_eq!(
        store.call(Method::DELETE, "/bucket", &[], "").await.status,
        204
    );
    assert!(!store.get("/").await.text().contains("<Name>bucket</Name>"));
    // A bucket made anew under the same name is empty and usable at once.
    assert_eq!(store.put("/bucket", "").await.status, 200);
    assert_eq!(store.get("/bucket/a").await.element("Code"), "NoSuchKey");
}

#[tokio::test]
async fn a_bucket_replaced_elsewhere_is_noticed() {
    let store = store_with_bucket().await;
    store.put("/bucket/key", "old").await;
    let bucket = store
        .metadata
        .bucket_now("bucket")
        .await
        .expect("it exists");
    let delete = DeleteObject::of_key("key".into());
    store
        .metadata
        .delete_object(&bucket, delete.clone())
        .await
        .expect("deleted");
    store
        .metadata
        .delete_bucket(&bucket)
        .await
        .expect("it is empty");
    assert_eq!(
        store.get("/bucket/key").await.element("Code"),
        "NoSuchBucket"
    );

    store.put("/bucket", "").await;
    store.put("/bucket/key", "known").await;
    let bucket = store
        .metadata
        .bucket_now("bucket")
        .await
        .expect("it exists");
    store
        .metadata
        .delete_object(&bucket, delete)
        .await
        .expect("deleted");
    store
        .metadata
        .delete_bucket(&bucket)
        .await
        .expect("it is empty");
    store
        .metadata
        .create_bucket(&NewBucket::named("bucket", "ada", "eu-west-3"))
        .await
        .expect("made anew");
    assert_eq!(store.get("/bucket/key").await.element("Code"), "NoSuchKey");

    // One that belongs to somebody else by now.
    let bucket = store
        .metadata
        .bucket_now("bucket")
        .await
        .expect("it exists");
    store
        .metadata
        .delete_bucket(&bucket)
        .await
        .expect("it is empty");
    store
        .metadata
        .create_bucket(&NewBucket::named("bucket", "eve", "eu-west-3"))
        .await
        .expect("made anew");
    assert_eq!(
        store.get("/bucket/key").await.element("Code"),
        "AccessDenied"
    );
    assert_eq!(
        store.put("/bucket/key", "mine").await.element("Code"),
        "AccessDenied"
    );
}

fn crc32_base64(text: &str) -> String {
    let mut hasher =
        riquet_s3::body::checksum::ChecksumHasher::new(riquet_s3::ChecksumAlgorithm::Crc32);
    hasher.update(text.as_bytes());
    hasher.finish().to_base64()
}

#[tokio::test]
async fn corrupt_shards_are_read_around_and_too_many_fail_cleanly() {
    let store = store_with_bucket().await;
    let content = bytes(100_000);
    store.put("/bucket/key", content.clone()).await;
    store.corrupt(6);
    assert!(store.get("/bucket/key").await.body == content);
    // The same bytes flipped back, and the seventh: one good shard of eight is too few.
    store.corrupt(6);
    store.corrupt(7);
    let failed = store.get("/bucket/key").await;
    assert_eq!(
        (failed.status.as_u16(), failed.element("Code")),
        (503, "ServiceUnavailable")
    );
}

#[tokio::test]
async fn clear_text_http2_is_served() {
    let store = store_with_bucket().await;
    let content = bytes(300_000);
    store.put("/bucket/key", content.clone()).await;
    let request = store.signed(Method::GET, "/bucket/key", &[], Bytes::new());
    let (mut head, body) = request.into_parts();
    head.uri = format!("http://{}/bucket/key", store.address)
        .parse()
        .expect("a URI");
    head.headers.remove("host");
    let stream = TcpStream::connect(store.address).await.expect("it listens");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    tokio::spawn(connection);
    let request = http::Request::from_parts(head, body);
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert!(
        response
            .into_body()
            .collect()
            .await
            .expect("the body")
            .to_bytes()
            == content
    );
}

#[tokio::test]
async fn a_silent_upload_times_out() {
    let store = Store::start_with(Limits {
        body_wait_ms: 100,
        ..Limits::default()
    })
    .await;
    store.put("/bucket", "").await;
    let request = store.signed(Method::PUT, "/bucket/key", &[], Bytes::new());
    let mut text = String::from("PUT /bucket/key HTTP/1.1\r\ncontent-length: 10\r\n");
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\r\n", value.to_str().expect("ASCII"));
    }
    text += "\r\nhalf";
    let mut stream = TcpStream::connect(store.address).await.expect("it listens");
    stream.write_all(text.as_bytes()).await.expect("the head");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("an answer, then the end");
    assert!(answer.contains("<Code>RequestTimeout</Code>"), "{answer}");
}

#[tokio::test]
async fn operators_see_health_and_the_gateway_stops_in_order() {
    let store = store_with_bucket().await;
    let ask = |path: &'static str| {
        let admin = store.admin;
        async move {
            let stream = TcpStream::connect(admin).await.expect("it listens");
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .expect("HTTP");
            tokio::spawn(connection);
            let request = http::Request::get(path)
                .header("host", "admin")
                .body(Full::<Bytes>::default());
            sender
                .send_request(request.expect("a request"))
                .await
                .expect("an answer")
                .status()
        }
    };
    assert_eq!(ask("/health").await, 200);
    assert_eq!(ask("/ready").await, 200);
    assert_eq!(ask("/metrics").await, 200);
    store.stop().await;
}
