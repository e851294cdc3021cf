//! Key groups that lost all their records, under a control group that did not.

use super::*;
use crate::Recovered;
use crate::command::RecoverObject;
use crate::record::Content;
use crate::testing::{blob, version};

/// A bucket's tablets come back in their groups, and can be changed again.
#[tokio::test]
async fn tablets_come_back_where_the_map_says() {
    let cluster = Cluster::new().await;
    let client = &cluster.client;
    cluster.spread().await;
    let bucket = cluster.bucket_now().await;
    for group in GroupId::keys(GROUPS) {
        *cluster.groups.0[&group].lock().unwrap() = MemoryStore::default();
    }
    for _ in 0..2 {
        client.recover_tablets(&bucket).await.unwrap();
    }
    let keys = ["1", "4", "7"];
    for (key, n) in keys.into_iter().zip(1..) {
        let object = RecoverObject {
            key: key.into(),
            version: version(etag(2), Content::Blobs(vec![blob(n, 5000)])),
        };
        let recovered = client.recover_object(&bucket, object).await;
        assert_eq!(recovered, Ok(Recovered::Stored), "{key}");
    }
    for (place, tablet) in bucket.tablets.iter().enumerate() {
        let held = client.tablets_of_group(tablet.group).await.unwrap();
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].tablet.range, bucket.range_at(place));
        assert_eq!(held[0].tablet.size.keys, 1);
    }
    let home = bucket.tablets[0].group;
    assert_eq!(
        cluster.move_to(client, "7", home).await,
        TabletChanged::Done
    );
    assert_eq!(cluster.split(client, "2").await, TabletChanged::Done);
    let bucket = cluster.bucket_now().await;
    for key in keys {
        let found = client.get_object(&bucket, &key.into()).await.unwrap();
        assert_eq!(found.unwrap().head.size_bytes, 5000, "{key}");
    }
}
