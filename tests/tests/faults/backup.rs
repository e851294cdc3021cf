//! The loss of all metadata: restored from a backup, or rebuilt from the shards.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use libtest_mimic::{Failed, Trial};
use riquet_tests::client::{Outcome, Run, outcome, run};
use riquet_tests::cluster::{Cluster, Site};
use riquet_tests::data::{self, KIB};
use riquet_tests::paths;
use riquet_tests::s3::{Request, S3};

use crate::objects::Objects;
use crate::trial;

/// Seconds for any one command.
const TIMEOUT_S: u64 = 120;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("backup::restored_after_the_loss_of_all_voters", restored),
        trial("backup::import_refused", import_refused),
        trial("backup::import_killed_and_run_again", import_killed),
        trial("backup::rebuilt_from_shards", rebuilt),
    ]
}

fn command(cluster: &Cluster, arguments: &[&str]) -> Run {
    Run::new(paths::binary("riquet"))
        .arg("metadata")
        .args(arguments)
        .env("RIQUET_METADATA", &cluster.env()["RIQUET_METADATA"])
}

/// `riquet metadata`, which must succeed; what it printed, as JSON.
fn metadata(cluster: &Cluster, arguments: &[&str]) -> Result<serde_json::Value, Failed> {
    let arguments = [arguments, &["--json"]].concat();
    let printed = run(&command(cluster, &arguments), TIMEOUT_S)?;
    Ok(serde_json::from_slice(&printed)?)
}

/// `riquet metadata`, which must fail with an error that says `why`.
fn refused(cluster: &Cluster, arguments: &[&str], why: &str) -> Result<(), Failed> {
    let Outcome { code, stderr, .. } = outcome(&command(cluster, arguments), TIMEOUT_S)?;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(why), "{stderr} instead of: {why}");
    Ok(())
}

/// A file beside the cluster's folders.
fn file(cluster: &Cluster, name: &str) -> PathBuf {
    cluster.dir().join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("folders of tests have plain names")
}

/// Removes what all voters have of the metadata, and starts the cluster again.
fn lose_all_metadata(cluster: &Cluster) -> Result<(), Failed> {
    cluster.down()?;
    for voter in cluster.voters()? {
        fs::remove_dir_all(cluster.dir().join("data").join(voter).join("meta"))?;
    }
    cluster.up()
}

/// What a client sees of an object besides its bytes.
fn head(s3: &S3, path: &str) -> Result<Vec<Option<String>>, Failed> {
    let answer = s3.ask("HEAD", path)?.expect(200)?;
    let names = [
        "etag",
        "last-modified",
        "content-type",
        "content-length",
        "x-amz-meta-colour",
    ];
    let values = names.iter().map(|name| answer.header(name));
    Ok(values.map(|value| value.map(str::to_owned)).collect())
}

/// Objects of many kinds in a bucket, some replaced and some deleted.
fn fill(s3: &S3, bucket: &str) -> Result<Objects, Failed> {
    let mut objects = Objects::in_new_bucket(s3, bucket)?;
    objects.put_all_shapes(s3, "shapes", 1)?;
    for (key, size_bytes) in [("replaced", 300 * KIB), ("replaced", 200 * KIB + 7)] {
        objects.put(s3, key, &data::bytes(size_bytes, size_bytes))?;
    }
    for size_bytes in [10, 100 * KIB] {
        let key = format!("deleted {size_bytes}");
        objects.put(s3, &key, &data::bytes(2, size_bytes))?;
        objects.delete(s3, &key)?;
    }
    let strange = "sp ace/+%25~\u{e9}\u{65e5}\u{672c}/(x)!*";
    objects.put(s3, strange, &data::bytes(3, 50 * KIB))?;
    let described = data::bytes(4, 9 * KIB);
    let path = objects.path("described");
    let put = Request::new("PUT", path)
        .header("content-type", "image/fits")
        .header("x-amz-meta-colour", "infrared");
    s3.send(put, &described)?.expect(200)?;
    objects.note("described", &described);
    Ok(objects)
}

fn restored(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = fill(&s3, "kept")?;
    s3.put("/empty", &[])?;
    s3.put("/busy", &[])?;
    let path = objects.path("described");
    let before = (
        s3.ask("GET", "/kept")?.expect(200)?.body,
        s3.ask("GET", "/")?.expect(200)?.body,
        head(&s3, &path)?,
        head(&s3, &objects.path("shapes/in parts"))?,
    );
    let file = file(cluster, "backup");
    let body = |number: u64| data::bytes(number, [3 * KIB, 40 * KIB][(number % 2) as usize]);
    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    // Objects that were there before the export, and those there after it.
    let (summary, at_least) = std::thread::scope(|scope| -> Result<_, Failed> {
        let writer = scope.spawn(|| -> Result<(), Failed> {
            let s3 = cluster.s3(Site::Montpellier);
            while !stop.load(Ordering::Relaxed) {
                let number = written.load(Ordering::Relaxed);
                s3.put(&format!("/busy/{number:06}"), &body(number))?;
                written.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        while written.load(Ordering::Relaxed) < 20 && !writer.is_finished() {
            std::thread::yield_now();
        }
        let at_least = written.load(Ordering::Relaxed);
        let summary = metadata(cluster, &["export", text(&file)]);
        stop.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| "the writer panicked")??;
        Ok((summary?, at_least))
    })?;
    assert_eq!(summary["buckets"], 3);
    assert_eq!(metadata(cluster, &["verify", text(&file)])?, summary);
    refused(cluster, &["export", text(&file)], "exists")?;
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file)?.permissions());
    assert_eq!(mode & 0o777, 0o600);

    lose_all_metadata(cluster)?;
    assert_eq!(s3.ask("GET", "/kept")?.status, 404);
    assert_eq!(metadata(cluster, &["import", text(&file)])?, summary);

    for site in Site::ALL {
        objects.verify(&cluster.s3(site))?;
    }
    let after = (
        s3.ask("GET", "/kept")?.expect(200)?.body,
        s3.ask("GET", "/")?.expect(200)?.body,
        head(&s3, &path)?,
        head(&s3, &objects.path("shapes/in parts"))?,
    );
    assert!(before == after, "listings and heads are the same");
    let keys = s3.keys("busy", "")?;
    assert!(
        keys.len() as u64 >= at_least,
        "{} of {at_least}",
        keys.len()
    );
    for (number, key) in (0..).zip(&keys) {
        assert_eq!(*key, format!("{number:06}"), "no write was left out");
        let (_, hash) = s3.sha256(&format!("/busy/{key}"))?;
        assert_eq!(hash, data::sha256(&body(number)), "{key}");
    }
    // All goes on.
    objects.put_all_shapes(&s3, "after", 7)?;
    objects.put(&s3, "replaced", &data::bytes(8, 30 * KIB))?;
    objects.delete(&s3, "described")?;
    fill(&s3, "new")?.verify(&cluster.s3(Site::Montpellier))?;
    objects.verify(&cluster.s3(Site::Montpellier))?;
    refused(
        cluster,
        &["import", text(&file)],
        "imported into this cluster before",
    )
}

/// A file that is not whole, or a cluster that is not empty: nothing is changed.
fn import_refused(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = Objects::in_new_bucket(&s3, "kept")?;
    objects.put(&s3, "before", &data::bytes(1, 2 * KIB))?;
    let backup = file(cluster, "backup");
    metadata(cluster, &["export", text(&backup)])?;
    objects.put(&s3, "after", &data::bytes(2, 2 * KIB))?;
    refused(cluster, &["import", text(&backup)], "not empty")?;
    objects.verify(&s3)?;

    lose_all_metadata(cluster)?;
    let whole = fs::read(&backup)?;
    let altered = |name: &str, alter: fn(&mut Vec<u8>)| -> Result<PathBuf, Failed> {
        let mut bytes = whole.clone();
        alter(&mut bytes);
        let path = file(cluster, name);
        fs::write(&path, bytes)?;
        Ok(path)
    };
    let cases = [
        (
            altered("flipped", |all| {
                let at = all.len() / 2;
                all[at] ^= 16;
            })?,
            "damaged",
        ),
        (
            altered("cut", |all| all.truncate(all.len() - 20))?,
            "cut off",
        ),
        (altered("newer", |all| all[11] += 1)?, "format 2"),
        (altered("foreign", |all| all[0] = b'X')?, "no backup"),
    ];
    for (path, why) in &cases {
        refused(cluster, &["import", text(path)], why)?;
        refused(cluster, &["verify", text(path)], why)?;
    }
    // The cluster is as it was, and in service.
    let mut new = Objects::in_new_bucket(&s3, "new")?;
    new.put(&s3, "object", &data::bytes(3, 2 * KIB))?;
    new.verify(&cluster.s3(Site::Montpellier))?;
    refused(cluster, &["import", text(&backup)], "not empty")?;
    new.verify(&s3)
}

/// Without any metadata and without a backup: what is larger than a record comes back.
fn rebuilt(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut objects = fill(&s3, "kept")?;
    let mut others = Objects::in_new_bucket(&s3, "others")?;
    others.put(&s3, "object", &data::bytes(1, 70 * KIB))?;
    // The parts of an upload that is not completed, with one left out.
    let path = objects.path("unfinished");
    let upload = s3.create_upload(&path)?;
    let part = S3::part(&path, &upload, 2);
    s3.send(part, &data::bytes(2, 90 * KIB))?.expect(200)?;
    lose_all_metadata(cluster)?;

    // The numbers that buckets had are in their shards, the names are gone.
    let rebuild = ["rebuild", "--from-shards", "--name", "1=kept"];
    refused(cluster, &rebuild, "not confirmed")?;
    let found = metadata(cluster, &[&rebuild[..], &["--dry-run"]].concat())?;
    assert_eq!(found["silent_disks"], serde_json::json!([]), "{found}");
    assert_eq!(found["stored"], 0);
    let not_whole = &found["not_whole_keys"];
    assert_eq!(found["not_whole"], 1, "{not_whole}");
    assert_eq!(not_whole[0]["key"], "unfinished");
    assert_eq!(
        s3.ask("GET", "/kept")?.status,
        404,
        "a dry run changes nothing"
    );

    let done = metadata(cluster, &[&rebuild[..], &["--yes"]].concat())?;
    assert_eq!(done["stored"], found["objects"]);
    objects.forget_inline();
    for site in Site::ALL {
        objects.verify_acknowledged(&cluster.s3(site))?;
    }
    let (size_bytes, hash) = s3.sha256("/recovered-2/object")?;
    let expected = data::bytes(1, 70 * KIB);
    assert_eq!((size_bytes, hash), (70 * KIB, data::sha256(&expected)));
    let listed = s3.keys("kept", "")?;
    assert!(!listed.contains(&"unfinished".to_owned()), "{listed:?}");
    let tag = s3.ask("HEAD", &objects.path("described"))?.expect(200)?;
    let tag = tag.header("etag").unwrap_or_default();
    assert!(tag.ends_with("-1\""), "{tag} is no MD5");

    // All goes on, and what is there stays.
    objects.put(&s3, "described", &data::bytes(9, 20 * KIB))?;
    objects.delete(&s3, "replaced")?;
    objects.put_all_shapes(&s3, "after", 7)?;
    let again = metadata(cluster, &[&rebuild[..], &["--yes"]].concat())?;
    assert_eq!(again["stored"], 0, "{again}");
    objects.verify_acknowledged(&cluster.s3(Site::Montpellier))?;
    assert_eq!(s3.ask("HEAD", &objects.path("replaced"))?.status, 404);
    Ok(())
}

fn import_killed(cluster: &Cluster) -> Result<(), Failed> {
    let s3 = cluster.s3(Site::Toulouse);
    let mut all = Vec::new();
    // Each in a group of its own.
    for bucket in ["one", "two", "three"] {
        let mut objects = Objects::in_new_bucket(&s3, bucket)?;
        for number in 0..300 {
            objects.put(&s3, &format!("{number:03}"), &data::bytes(number, 4 * KIB))?;
        }
        all.push(objects);
    }
    let file = file(cluster, "backup");
    let summary = metadata(cluster, &["export", text(&file)])?;
    lose_all_metadata(cluster)?;
    for group in ["group 0", "group 3"] {
        let mut import = Command::new(paths::binary("riquet"))
            .args(["metadata", "import", text(&file)])
            .env("RIQUET_METADATA", &cluster.env()["RIQUET_METADATA"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let progress = BufReader::new(import.stderr.take().ok_or("no output")?);
        let turn = progress.lines().find(|line| match line {
            Ok(line) => line.ends_with(group),
            Err(_) => true,
        });
        import.kill()?;
        let status = import.wait()?;
        assert!(turn.is_some() && !status.success(), "{group}: {status}");
        // What is half there is not shown.
        let answer = s3.ask("GET", "/one")?;
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    assert_eq!(metadata(cluster, &["import", text(&file)])?, summary);
    for objects in &all {
        objects.verify(&s3)?;
        objects.verify(&cluster.s3(Site::Montpellier))?;
    }
    Ok(())
}
