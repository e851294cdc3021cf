//! Listings over tablets in several groups.

use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;

use super::*;
use crate::command::CreateUpload;
use crate::id::UploadId;
use crate::query::{ListPage, ListStart, UploadPage, UploadStart};
use crate::testing::upload;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        prop_oneof![Just(b'/'), Just(b'a'), Just(b'b'), Just(0u8), Just(0xFF)],
        1..5,
    )
}

#[derive(Debug, Clone)]
struct Asked {
    prefix: Vec<u8>,
    delimiter: Vec<u8>,
    start: Option<(bool, Vec<u8>)>,
    max: u32,
}

fn asked() -> impl Strategy<Value = Asked> {
    let prefix = prop_oneof![3 => Just(Vec::new()), 1 => bytes().prop_map(|b| b[..1].to_vec()), 1 => bytes()];
    let delimiter = prop_oneof![Just(Vec::new()), Just(b"/".to_vec()), Just(vec![0xFF])];
    let start = proptest::option::of((any::<bool>(), bytes()));
    (prefix, delimiter, start, 0u32..5).prop_map(|(prefix, delimiter, start, max)| Asked {
        prefix,
        delimiter,
        start,
        max,
    })
}

async fn put_all(cluster: &Cluster, keys: &[Vec<u8>]) {
    for (n, key) in keys.iter().enumerate() {
        let put = PutObject {
            key: key.clone().into(),
            ..object("", 1)
        };
        cluster
            .client
            .put_object(&cluster.bucket, put)
            .await
            .unwrap();
        let create = CreateUpload {
            key: key.clone().into(),
            upload: upload(UploadId(n as u128 % 3)),
        };
        cluster
            .client
            .create_upload(&cluster.bucket, create)
            .await
            .unwrap();
    }
}

/// A page of objects without what differs from cluster to cluster.
async fn objects(cluster: &Cluster, asked: &Asked) -> (Vec<ObjectKey>, ListPage) {
    let start = asked.start.as_ref().map(|(prefix, at)| {
        let at = ObjectKey::from(at.as_slice());
        if *prefix {
            ListStart::AfterPrefix(at)
        } else {
            ListStart::AfterKey(at)
        }
    });
    let list = ListRequest {
        prefix: asked.prefix.clone().into(),
        delimiter: asked.delimiter.clone().into(),
        start,
        max: asked.max,
    };
    let mut page = cluster
        .client
        .list_objects(&cluster.bucket, list)
        .await
        .unwrap();
    let objects = std::mem::take(&mut page.objects);
    (objects.into_iter().map(|object| object.key).collect(), page)
}

async fn uploads(cluster: &Cluster, asked: &Asked) -> (Vec<(ObjectKey, UploadId)>, UploadPage) {
    let start = asked.start.as_ref().map(|(prefix, at)| {
        let at = ObjectKey::from(at.as_slice());
        if *prefix {
            UploadStart::AfterPrefix(at)
        } else {
            UploadStart::AfterUpload(at, UploadId(1))
        }
    });
    let (prefix, delimiter) = (asked.prefix.clone().into(), asked.delimiter.clone().into());
    let page = cluster
        .client
        .list_uploads(&cluster.bucket, prefix, delimiter, start, asked.max);
    let mut page = page.await.unwrap();
    let uploads = std::mem::take(&mut page.uploads);
    let shown = uploads
        .into_iter()
        .map(|upload| (upload.key, upload.upload.id));
    (shown.collect(), page)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// However a bucket is cut into tablets, and wherever they are, its listings are the same.
    #[test]
    fn tablets_are_not_seen_in_a_listing(
        keys in proptest::collection::vec(bytes(), 0..25),
        cuts in proptest::collection::vec((bytes(), 1..=GROUPS), 0..6),
        asked in proptest::collection::vec(asked(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (whole, cut) = (Cluster::new().await, Cluster::new().await);
            put_all(&whole, &keys).await;
            put_all(&cut, &keys).await;
            for (at, to) in cuts {
                let at = ObjectKey::from(at);
                let bucket = cut.bucket_now().await;
                let range = bucket.range_at(bucket.place_of(at.as_bytes()));
                cut.client.split_tablet(&bucket, &range, at.clone()).await.unwrap();
                let bucket = cut.bucket_now().await;
                let range = bucket.range_at(bucket.place_of(at.as_bytes()));
                cut.client.move_tablet(&bucket, &range, GroupId(to)).await.unwrap();
            }
            for asked in asked {
                prop_assert_eq!(objects(&whole, &asked).await, objects(&cut, &asked).await);
                prop_assert_eq!(uploads(&whole, &asked).await, uploads(&cut, &asked).await);
            }
            Ok(())
        })?;
    }
}

/// Counts calls.
struct Counting {
    inner: LocalCaller,
    calls: Arc<AtomicUsize>,
}

impl Caller for Counting {
    fn call<'a>(&'a self, endpoint: &'a str, path: &'static str, body: Bytes) -> CallFuture<'a> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.call(endpoint, path, body)
    }
}

/// Tablets of which a common prefix holds more than one are not asked one by one.
#[tokio::test]
async fn the_top_of_a_bucket_is_listed_in_few_calls() {
    let cluster = Cluster::new().await;
    for n in 0..200 {
        let put = object(&format!("p{}/{n:03}", n % 2), 1);
        cluster
            .client
            .put_object(&cluster.bucket, put)
            .await
            .unwrap();
    }
    for (n, at) in (0..).zip((1..20).map(|n| format!("p0/{:03}", n * 10))) {
        cluster.split(&cluster.client, &at).await;
        cluster
            .move_to(&cluster.client, &at, GroupId(1 + n % GROUPS))
            .await;
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let client = client(Counting {
        inner: LocalCaller::new(cluster.service.clone()),
        calls: calls.clone(),
    });
    let list = ListRequest {
        delimiter: "/".into(),
        max: 1000,
        ..ListRequest::default()
    };
    let bucket = cluster.bucket_now().await;
    let page = client.list_objects(&bucket, list).await.unwrap();
    assert_eq!(page.prefixes, ["p0/".into(), "p1/".into()]);
    let calls = calls.load(Ordering::Relaxed);
    assert!(calls <= 3, "{calls} calls for 20 tablets");
}
