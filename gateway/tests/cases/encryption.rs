//! Encrypted objects: what is stored is sealed, and what comes back is what was sent.

use http::Method;
use riquet_metadata::record::{Content, ObjectVersion};

use crate::support::{Answer, Store};
use crate::{bytes, store_with_bucket};

const KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";
const KEY_MD5: &str = "DWygnHRtgiJ77HCm+1rvHw==";
const OTHER: &str = "6b+WOZ1T3cqZMxgThRcXAQBrS5mXKdDUphvpxptl9/4=";
const OTHER_MD5: &str = "arxBvwY2V4SiOne6yppVPQ==";

type Headers = Vec<(&'static str, &'static str)>;

fn customer() -> Headers {
    vec![
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key", KEY),
        ("x-amz-server-side-encryption-customer-key-md5", KEY_MD5),
    ]
}

fn other_customer() -> Headers {
    vec![
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key", OTHER),
        ("x-amz-server-side-encryption-customer-key-md5", OTHER_MD5),
    ]
}

fn of_source() -> Headers {
    vec![
        (
            "x-amz-copy-source-server-side-encryption-customer-algorithm",
            "AES256",
        ),
        ("x-amz-copy-source-server-side-encryption-customer-key", KEY),
        (
            "x-amz-copy-source-server-side-encryption-customer-key-md5",
            KEY_MD5,
        ),
    ]
}

/// How a request asks for encryption, and what a read of the object brings along.
fn kinds() -> Vec<(&'static str, Headers, Headers)> {
    let by = |name| vec![("x-amz-server-side-encryption", name)];
    let mut named = by("aws:kms");
    named.push(("x-amz-server-side-encryption-aws-kms-key-id", "main"));
    named.push(("x-amz-server-side-encryption-context", "eyJhIjoiYiJ9"));
    vec![
        ("plain", Vec::new(), Vec::new()),
        ("sse-s3", by("AES256"), Vec::new()),
        ("sse-kms", by("aws:kms"), Vec::new()),
        ("sse-kms with a key and a context", named, Vec::new()),
        ("sse-c", customer(), customer()),
    ]
}

async fn send(store: &Store, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    store.call(method, path, headers, "").await
}

async fn version(store: &Store, key: &str) -> Box<ObjectVersion> {
    let bucket = store.metadata.bucket("bucket").await.expect("it is there");
    let found = store.metadata.get_version(&bucket, &key.into(), None).await;
    found.expect("the metadata answers").expect("it is there")
}

#[tokio::test]
async fn nothing_of_the_plaintext_is_stored() {
    let store = store_with_bucket().await;
    let content = bytes(500_000);
    for (kind, asked, read) in kinds().into_iter().skip(1) {
        for size in [0, 1, 100, 4096, 4097, 65_536, 65_537, 500_000] {
            let plain = &content[..size];
            let put = store
                .call(Method::PUT, "/bucket/k", &asked, plain.to_vec())
                .await;
            assert_eq!(put.status, 200, "{kind}: {}", put.text());
            if size >= 32 {
                assert!(!store.holds(&plain[size - 32..]), "{kind}: {size}");
            }
            let stored = version(&store, "k").await;
            assert_eq!(stored.head.size_bytes, size as u64);
            if let Content::Inline(stored) = &stored.body.content {
                assert!(size == 0 || stored != plain, "{kind}: {size}");
            }
            let got = send(&store, Method::GET, "/bucket/k", &read).await;
            assert!(got.status == 200 && got.body == plain, "{kind}: {size}");
            assert_eq!(got.header("etag"), put.header("etag"));
            let head = send(&store, Method::HEAD, "/bucket/k", &read).await;
            assert_eq!(head.header("content-length"), size.to_string());
        }
    }
}

#[tokio::test]
async fn ranges_are_of_the_plaintext() {
    let store = store_with_bucket().await;
    let content = bytes(300_000);
    for (kind, asked, read) in kinds() {
        store
            .call(Method::PUT, "/bucket/k", &asked, content.clone())
            .await;
        for (from, to) in [
            (0, 1),
            (65_535, 65_537),
            (65_536, 131_072),
            (100, 299_999),
            (299_999, 300_000),
        ] {
            let range = format!("bytes={from}-{}", to - 1);
            let mut headers: Vec<(&str, &str)> = read.clone();
            headers.push(("range", &range));
            let got = send(&store, Method::GET, "/bucket/k", &headers).await;
            assert_eq!(got.status, 206, "{kind}");
            assert!(got.body == content[from..to], "{kind}: {range}");
            let total = format!("bytes {from}-{}/300000", to - 1);
            assert_eq!(got.header("content-range"), total);
        }
    }
}

#[tokio::test]
async fn copies_change_the_encryption_in_any_way() {
    let store = store_with_bucket().await;
    let content = bytes(100_000);
    for (from, asked, _) in kinds() {
        store
            .call(Method::PUT, "/bucket/source", &asked, content.clone())
            .await;
        for (to, asked, read) in kinds() {
            let mut headers = vec![("x-amz-copy-source", "bucket/source")];
            headers.extend(asked);
            if from == "sse-c" {
                let without = send(&store, Method::PUT, "/bucket/copy", &headers).await;
                assert_eq!(without.element("Code"), "InvalidRequest");
                headers.extend(of_source());
            }
            let copied = send(&store, Method::PUT, "/bucket/copy", &headers).await;
            assert_eq!(copied.status, 200, "{from} to {to}: {}", copied.text());
            let got = send(&store, Method::GET, "/bucket/copy", &read).await;
            assert!(got.body == content, "{from} to {to}");
        }
    }
    // Onto itself, which is a change.
    store.put("/bucket/itself", content.clone()).await;
    let mut headers = vec![("x-amz-copy-source", "bucket/itself")];
    let unchanged = send(&store, Method::PUT, "/bucket/itself", &headers).await;
    assert_eq!(unchanged.element("Code"), "InvalidRequest");
    headers.push(("x-amz-server-side-encryption", "AES256"));
    let sealed = send(&store, Method::PUT, "/bucket/itself", &headers).await;
    assert_eq!(sealed.header("x-amz-server-side-encryption"), "AES256");
    let got = store.get("/bucket/itself").await;
    assert_eq!(got.header("x-amz-server-side-encryption"), "AES256");
    assert!(got.body == content);
}

#[tokio::test]
async fn another_key_or_none_opens_nothing() {
    let store = store_with_bucket().await;
    store
        .call(Method::PUT, "/bucket/k", &customer(), bytes(100))
        .await;
    store.put("/bucket/plain", bytes(100)).await;
    let mut of_new = customer();
    of_new.push(("x-amz-server-side-encryption", "AES256"));
    for method in [Method::GET, Method::HEAD] {
        for (path, headers) in [
            ("/bucket/k", Vec::new()),
            ("/bucket/k", other_customer()),
            ("/bucket/plain", customer()),
            ("/bucket/k", of_new.clone()),
        ] {
            let refused = send(&store, method.clone(), path, &headers).await;
            assert_eq!(refused.status, 400, "{method} {path} {headers:?}");
        }
    }
    let got = send(&store, Method::GET, "/bucket/k", &customer()).await;
    assert!(got.body == bytes(100));
    let md5 = "x-amz-server-side-encryption-customer-key-md5";
    assert_eq!(got.header(md5), KEY_MD5);
    let unknown = [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "nobody's"),
    ];
    let refused = send(&store, Method::PUT, "/bucket/k", &unknown).await;
    assert_eq!(
        (refused.status.as_u16(), refused.element("Code")),
        (400, "KMS.NotFoundException")
    );
}

#[tokio::test]
async fn parts_are_sealed_one_by_one() {
    let store = store_with_bucket().await;
    let content = bytes(5 * 1024 * 1024 + 70_001);
    let (first, second) = content.split_at(5 * 1024 * 1024);
    for (kind, asked, read) in kinds() {
        let begun = send(&store, Method::POST, "/bucket/big?uploads", &asked).await;
        let upload = begun.element("UploadId").to_owned();
        let mut listed = String::new();
        // The last one twice: the second of them counts.
        for (number, bytes) in [(1, first), (2, first), (2, second)] {
            let path = format!("/bucket/big?partNumber={number}&uploadId={upload}");
            let part = store.call(Method::PUT, &path, &read, bytes.to_vec()).await;
            assert_eq!(part.status, 200, "{kind}: {}", part.text());
            if bytes == first && number == 2 {
                continue;
            }
            let etag = part.header("etag");
            listed += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        if kind == "sse-c" {
            let path = format!("/bucket/big?partNumber=3&uploadId={upload}");
            for headers in [Vec::new(), other_customer()] {
                let refused = store.call(Method::PUT, &path, &headers, bytes(5)).await;
                assert_eq!(refused.element("Code"), "InvalidRequest");
            }
        }
        let parts = store.get(&format!("/bucket/big?uploadId={upload}")).await;
        assert!(
            parts.text().contains("<Size>70001</Size>"),
            "{}",
            parts.text()
        );
        let document = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
        let path = format!("/bucket/big?uploadId={upload}");
        let done = store.call(Method::POST, &path, &read, document).await;
        assert_eq!(done.status, 200, "{kind}: {}", done.text());

        let is_stored = store.holds(&second[second.len() - 40..]);
        assert_eq!(is_stored, kind == "plain", "{kind}");
        let got = send(&store, Method::GET, "/bucket/big", &read).await;
        assert!(got.body == content, "{kind}");
        let part = send(&store, Method::GET, "/bucket/big?partNumber=2", &read).await;
        assert!(part.body == second, "{kind}");
        let (from, to) = (first.len() - 10, first.len() + 66_000);
        let range = format!("bytes={from}-{}", to - 1);
        let mut headers: Vec<(&str, &str)> = read.clone();
        headers.push(("range", &range));
        let across = send(&store, Method::GET, "/bucket/big", &headers).await;
        assert!(across.body == content[from..to], "{kind}");
        send(&store, Method::DELETE, "/bucket/big", &[]).await;
        store.forget_shards();
    }
}

#[tokio::test]
async fn a_bucket_encrypts_what_does_not_say_how() {
    let store = store_with_bucket().await;
    let missing = store.get("/bucket?encryption").await;
    assert_eq!(
        missing.element("Code"),
        "ServerSideEncryptionConfigurationNotFoundError"
    );
    for (algorithm, key) in [
        ("AES256", ""),
        ("aws:kms", "<KMSMasterKeyID>main</KMSMasterKeyID>"),
    ] {
        let document = format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
             <SSEAlgorithm>{algorithm}</SSEAlgorithm>{key}</ApplyServerSideEncryptionByDefault>\
             </Rule></ServerSideEncryptionConfiguration>"
        );
        let put = store.put("/bucket?encryption", document).await;
        assert_eq!(put.status, 200, "{}", put.text());
        assert_eq!(
            store
                .get("/bucket?encryption")
                .await
                .element("SSEAlgorithm"),
            algorithm
        );
        for (path, asked, shown) in [
            ("/bucket/default", Vec::new(), algorithm),
            (
                "/bucket/own",
                vec![("x-amz-server-side-encryption", "AES256")],
                "AES256",
            ),
            ("/bucket/customers", customer(), ""),
        ] {
            let put = store.call(Method::PUT, path, &asked, bytes(9)).await;
            assert_eq!(put.header("x-amz-server-side-encryption"), shown, "{path}");
        }
        assert!(store.get("/bucket/default").await.body == bytes(9));
    }
    let removed = send(&store, Method::DELETE, "/bucket?encryption", &[]).await;
    assert_eq!(removed.status, 204);
    let put = store.put("/bucket/plain", bytes(9)).await;
    assert_eq!(put.header("x-amz-server-side-encryption"), "");
}
