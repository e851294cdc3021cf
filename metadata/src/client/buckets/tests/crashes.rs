//! Drivers that die at each of their calls.

use std::time::Duration;

use futures_util::future::join_all;

use super::*;
use crate::Error;
use crate::command::{DeleteObject, Deleted};

/// More calls than any of these changes takes.
const ENOUGH: i64 = 60;

/// Every way to die: at each call, before or after it arrives.
fn deaths() -> impl Iterator<Item = (i64, LastCall)> {
    (0..ENOUGH).flat_map(|calls| [(calls, LastCall::Lost), (calls, LastCall::Arrives)])
}

const OBJECTS: [(&str, u8); 5] = [("1", 1), ("2", 2), ("4", 4), ("7", 7), ("8", 8)];

async fn fill(cluster: &Cluster) {
    for (key, tag) in OBJECTS {
        let put = object(key, tag);
        cluster
            .client
            .put_object(&cluster.bucket, put)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_split_whose_driver_dies_is_ended_by_the_next() {
    let mut completed = 0;
    for (calls, last) in deaths() {
        let cluster = Cluster::new().await;
        fill(&cluster).await;
        let work = async |client: Client| cluster.split(&client, "4").await;
        completed += usize::from(cluster.mortal(calls, last, work).await.is_some());
        // The bucket is in full use whatever is left of it.
        cluster
            .client
            .put_object(&cluster.bucket, object("5", 5))
            .await
            .unwrap();
        assert_eq!(cluster.listed().await.len(), 6);
        cluster.resume().await;
        let mut expected = model(&OBJECTS);
        expected.insert("5".into(), etag(5));
        cluster.holds(&expected).await;
    }
    assert!(completed > 60, "most deaths came too late: {completed}");
}

#[tokio::test]
async fn a_move_whose_driver_dies_is_ended_by_the_next() {
    let cases = deaths().map(|(calls, last)| async move {
        let cluster = Cluster::new().await;
        cluster.spread().await;
        fill(&cluster).await;
        let from = cluster.bucket_now().await.group_of(b"7");
        let to = GroupId(1 + from.0 % GROUPS);
        let work = async |client: Client| cluster.move_to(&client, "7", to).await;
        let ended = cluster.mortal(calls, last, work).await.is_some();
        // One operation meets what is left, another driver comes a little later.
        let resume = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            cluster.resume().await;
        };
        let (client, bucket) = (&cluster.client, &cluster.bucket);
        let mut expected = model(&OBJECTS);
        if calls % 2 == 0 {
            let (written, ()) = tokio::join!(client.put_object(bucket, object("9", 9)), resume);
            written.unwrap();
            expected.insert("9".into(), etag(9));
        } else {
            let key = ObjectKey::from("8");
            let delete = client.delete_object(bucket, DeleteObject::of_key(key.clone()));
            let (deleted, ()) = tokio::join!(delete, resume);
            assert_eq!(deleted, Ok(Deleted::Removed { was_marker: false }));
            expected.remove(&key);
        }
        cluster.holds(&expected).await;
        assert_eq!(
            cluster.bucket_now().await.group_of(b"7") == to,
            calls > 0 || last == LastCall::Arrives,
            "once it is begun it is done, {calls} {last:?}"
        );
        ended
    });
    let ended = join_all(cases).await;
    let ended = ended.into_iter().filter(|ended| *ended).count();
    assert!(ended > 20, "some drivers live to the end: {ended}");
}

/// A reader that meets a tablet which nobody has opened after it moved takes that step itself.
#[tokio::test]
async fn reads_do_not_wait_for_a_dead_driver() {
    let cases = deaths().map(|(calls, last)| async move {
        let cluster = Cluster::new().await;
        fill(&cluster).await;
        let to = GroupId(1 + cluster.bucket.tablets[0].group.0 % GROUPS);
        let work = async |client: Client| cluster.move_to(&client, "", to).await;
        cluster.mortal(calls, last, work).await;
        let key = "7".into();
        let found = cluster.client.get_object(&cluster.bucket, &key).await;
        assert_eq!(found.unwrap().unwrap().head.etag, etag(7));
        assert_eq!(cluster.listed().await.len(), OBJECTS.len());
    });
    let all = join_all(cases);
    tokio::time::timeout(Duration::from_secs(5), all)
        .await
        .expect("no read waits much longer than a change is given");
}

#[tokio::test]
async fn a_deletion_whose_driver_dies_is_ended_by_the_next() {
    let cases = deaths().map(|(calls, last)| async move {
        let cluster = Cluster::new().await;
        cluster.spread().await;
        let work = async |client: Client| client.delete_bucket(&cluster.bucket).await;
        let done = cluster.mortal(calls, last, work).await;
        let written = cluster
            .client
            .put_object(&cluster.bucket, object("1", 1))
            .await;
        match (done, &written) {
            // Nobody had decided yet; or the write itself ended the deletion.
            (None, Ok(_)) => {
                cluster.resume().await;
                cluster.holds(&model(&[("1", 1)])).await;
            }
            (None | Some(Ok(())), Err(Error::NoSuchBucket)) => {
                let found = cluster.client.bucket_now("b").await;
                assert_eq!(found, Err(Error::NoSuchBucket));
                contract::new_bucket(&cluster.client, "b").await;
            }
            other => panic!("{calls} {last:?}: {other:?}"),
        }
        written.is_ok()
    });
    let written = join_all(cases).await;
    assert!(written.contains(&true) && written.contains(&false));
}

#[tokio::test]
async fn a_bucket_with_one_object_in_its_last_tablet_is_not_deleted() {
    let cases = deaths().map(|(calls, last)| async move {
        let cluster = Cluster::new().await;
        cluster.spread().await;
        let work = async |client: Client| {
            // As if the object came after the deletion had looked for one.
            let kind = crate::record::ChangeKind::Delete;
            let change = client.begin_change(cluster.bucket.id, kind).await.unwrap();
            client.drive(&change.unwrap()).await
        };
        let (client, bucket) = (&cluster.client, &cluster.bucket);
        client.put_object(bucket, object("9", 9)).await.unwrap();
        cluster.mortal(calls, last, work).await;
        cluster.resume().await;
        cluster.holds(&model(&[("9", 9)])).await;
        let refused = client.delete_bucket(bucket).await;
        assert_eq!(refused, Err(Error::BucketNotEmpty));
        client.put_object(bucket, object("1", 1)).await.unwrap();
        cluster.holds(&model(&[("1", 1), ("9", 9)])).await;
    });
    join_all(cases).await;
}
