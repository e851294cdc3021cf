//! Whoever keeps a data key: only the same keeper, for the same object, gives it back.

use std::io::Write as _;

use super::*;

fn ring() -> KeyRing {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = KeyRing::fresh_file("one");
    file.write_all(text.as_bytes()).expect("room for it");
    KeyRing::load(file.path()).expect("a ring")
}

fn service() -> LocalKeys {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let secret = hex::encode([5; 32]);
    writeln!(
        file,
        "default = 'k'\n[[key]]\nid = 'k'\nsecrets = ['{secret}']"
    )
    .expect("room");
    LocalKeys::load(file.path()).expect("a file of keys")
}

const HERE: ObjectName<'static> = ObjectName {
    bucket: "bucket",
    key: "a/b",
};

#[tokio::test]
async fn a_key_opens_for_its_object_only() {
    let (ring, service) = (ring(), service());
    let keepers = Keepers {
        ring: &ring,
        service: Some(&service),
    };
    for keeper in [
        Keeper::Store,
        Keeper::KeyService {
            key_id: None,
            context: None,
            bucket_key: true,
        },
        Keeper::KeyService {
            key_id: Some("k"),
            context: Some(&EncryptionContext::empty().with("team", "one")),
            bucket_key: false,
        },
    ] {
        let made = keepers.make(HERE, keeper).await.expect("made");
        let opened = keepers
            .open(HERE, &made.record, None)
            .await
            .expect("opened");
        assert_eq!(opened.bytes(), made.key.bytes());
        for (bucket, key) in [("bucket", "a/c"), ("other", "a/b")] {
            let elsewhere = ObjectName { bucket, key };
            assert!(keepers.open(elsewhere, &made.record, None).await.is_err());
        }
        let again = keepers.make(HERE, Keeper::Store).await.expect("made");
        assert_ne!(
            again.key.bytes(),
            made.key.bytes(),
            "each object has its own"
        );
    }
}

#[tokio::test]
async fn the_context_is_part_of_the_key() {
    let (ring, service) = (ring(), service());
    let keepers = Keepers {
        ring: &ring,
        service: Some(&service),
    };
    let keeper = Keeper::KeyService {
        key_id: None,
        context: Some(&EncryptionContext::empty().with("team", "one")),
        bucket_key: false,
    };
    let mut record = keepers.make(HERE, keeper).await.expect("made").record;
    let KeyKeeper::KeyService { context, .. } = &mut record.keeper else {
        panic!("{record:?}")
    };
    *context = Some(r#"{"team":"two"}"#.to_owned());
    let other = keepers.open(HERE, &record, None).await;
    assert!(matches!(
        other,
        Err(KeyError::Service(KeyServiceError::DoesNotOpen))
    ));
}

#[tokio::test]
async fn without_a_service_there_are_no_service_keys() {
    let ring = ring();
    let keepers = Keepers {
        ring: &ring,
        service: None,
    };
    let keeper = Keeper::KeyService {
        key_id: None,
        context: None,
        bucket_key: false,
    };
    let refused = keepers.make(HERE, keeper).await;
    assert!(matches!(refused, Err(KeyError::NoKeyService)));
}
