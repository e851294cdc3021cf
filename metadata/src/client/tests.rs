//! The client against a replica in memory, in process and over HTTP.

use bytes::Bytes;
use std::sync::Arc;

use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use riquet_cluster::transport::Transport;
use tokio::net::TcpListener;

use super::*;
use crate::testing::{layout, tenant};
use crate::{Error, MemoryReplica, MetadataService, contract};

#[tokio::test]
async fn a_replica_in_memory_keeps_the_contract() {
    contract::run(Arc::new(MemoryReplica::new(contract::KEY_GROUPS))).await;
}

#[tokio::test]
async fn over_http_it_works_the_same() {
    let service = MetadataService::new(Arc::new(MemoryReplica::new(1)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let voter = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service.clone();
            let answer = service_fn(move |request| {
                let service = service.clone();
                async move { Ok::<_, std::convert::Infallible>(service.handle(request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), answer));
        }
    });
    // The first endpoint is closed: the client moves on.
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let client = Client::new(Transport::tcp(), vec![closed.to_string(), voter]);
    let cluster = crate::id::ClusterId::from_u128(1);
    client
        .bootstrap(cluster, layout(1), vec![tenant("a")], 1)
        .await
        .unwrap();
    let bucket = contract::new_bucket(&client, "b").await;
    assert_eq!(client.bucket_now("b").await, Ok(bucket));
    assert_eq!(client.bucket_now("c").await, Err(Error::NoSuchBucket));
}

/// Recovering puts back what is missing, and leaves everything else as it is.
#[tokio::test]
async fn what_is_there_is_never_recovered() {
    use crate::command::{DeleteObject, RecoverBucket, RecoverObject};
    use crate::id::{BucketId, ClusterId};
    use crate::record::Content;
    use crate::testing::{START_MS, blob, etag, put, version};

    let replica = Arc::new(MemoryReplica::new(2));
    let caller = LocalCaller::new(MetadataService::new(replica));
    let client = Client::with_caller(Arc::new(caller), vec!["a".to_owned()]);
    let cluster = ClusterId::from_u128(1);
    let made = client
        .bootstrap(cluster, layout(1), vec![tenant("a")], 2)
        .await;
    made.unwrap();
    let recover = |id, name: &str| RecoverBucket {
        tenant: String::new(),
        id: BucketId(id),
        name: name.to_owned(),
        owner: "a".to_owned(),
        region: "r".to_owned(),
        created_ms: START_MS,
    };
    assert_eq!(
        client.bucket_fate(BucketId(5)).await,
        Ok(BucketFate::Unknown)
    );
    let bucket = client.recover_bucket(recover(5, "five")).await.unwrap();
    assert_eq!((bucket.id, bucket.created_ms), (BucketId(5), START_MS));
    let again = client
        .recover_bucket(recover(5, "other-name"))
        .await
        .unwrap();
    assert_eq!(again, bucket, "it has its number");
    let taken = client.recover_bucket(recover(6, "five")).await.unwrap();
    assert_eq!(taken, bucket, "and its name");
    assert_eq!(client.bucket_fate(BucketId(4)).await, Ok(BucketFate::Gone));
    assert!(contract::new_bucket(&client, "new").await.id > BucketId(5));

    // A blob far too old to be committed in any other way.
    let object = |key: &str, n| {
        let mut version = version(etag(1), Content::Blobs(vec![blob(n, 9000)]));
        version.head.modified_ms = START_MS + 1;
        RecoverObject {
            key: key.into(),
            version,
        }
    };
    client.recover_tablets(&bucket).await.unwrap();
    client.recover_tablets(&bucket).await.unwrap();
    let stored = client.recover_object(&bucket, object("k", 1)).await;
    assert_eq!(stored, Ok(Recovered::Stored));
    let head = client
        .get_object(&bucket, &"k".into())
        .await
        .unwrap()
        .unwrap()
        .head;
    assert_eq!((head.modified_ms, head.size_bytes), (START_MS + 1, 9000));
    let present = client.recover_object(&bucket, object("k", 2)).await;
    assert_eq!(present, Ok(Recovered::Present));
    client
        .delete_object(&bucket, DeleteObject::of_key("k".into()))
        .await
        .unwrap();
    let known = client.recover_object(&bucket, object("k", 1)).await;
    assert_eq!(known, Ok(Recovered::Known), "it was deleted");
    let inline = crate::testing::inline("x");
    client
        .put_object(&bucket, put("k", 3, inline))
        .await
        .unwrap();
    let present = client.recover_object(&bucket, object("k", 2)).await;
    assert_eq!(present, Ok(Recovered::Present));
}

#[tokio::test]
async fn what_is_not_of_the_protocol_is_refused() {
    use crate::codec::Record;
    use crate::wire::{PROPOSE_PATH, QUERY_PATH, Refusal};

    let service = MetadataService::new(Arc::new(MemoryReplica::new(1)));
    for (path, body) in [
        (PROPOSE_PATH, &b""[..]),
        (PROPOSE_PATH, b"\x01"),
        (QUERY_PATH, b"\x02\x80"),
        ("/v1/meta/other", b"\x01"),
    ] {
        let (status, answer) = service.respond(path, body.into()).await;
        assert_eq!(status, Refusal::Malformed.status());
        assert_eq!(Refusal::from_bytes(&answer), Ok(Refusal::Malformed));
    }
    let request = http::Request::post(PROPOSE_PATH);
    let large = Full::new(Bytes::from(vec![0; crate::limits::MESSAGE_BYTES + 1]));
    let response = service.handle(request.body(large).unwrap()).await;
    assert_eq!(response.status(), Refusal::TooLarge.status());
}

#[tokio::test]
async fn a_clock_that_is_off_is_refused() {
    use crate::codec::Record;
    use crate::command::{Command, Proposal, SystemCommand};
    use crate::wire::{PROPOSE_PATH, ProposeRequest, Refusal};

    let service = MetadataService::new(Arc::new(MemoryReplica::new(1)));
    let request = ProposeRequest {
        group: crate::GroupId::SYSTEM,
        proposal: Proposal {
            request: crate::clock::fresh_request(),
            timestamp_ms: crate::clock::now_ms() - crate::limits::CLOCK_SKEW_MS - 1,
            command: Command::System(SystemCommand::EndChange {
                bucket: crate::BucketId(1),
                change: crate::id::ChangeId::default(),
            }),
        },
    };
    let (_, answer) = service
        .respond(PROPOSE_PATH, request.to_bytes().into())
        .await;
    assert_eq!(Refusal::from_bytes(&answer), Ok(Refusal::ClockSkew));
}
