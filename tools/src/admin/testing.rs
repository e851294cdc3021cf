//! Fixed answers of the admin API, and what commands are to make of them.

use std::fs;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

/// Set: golden files are written anew instead of being compared with.
const REWRITE: &str = "RIQUET_REWRITE_GOLDEN";

fn path(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    folder.join("src/admin/golden").join(name)
}

/// The answer in `golden/NAME.json`.
pub(super) fn answer<T: DeserializeOwned>(name: &str) -> T {
    let text = fs::read(path(&format!("{name}.json"))).expect("the answer is there");
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// That `text` is what `golden/NAME.txt` holds, without colours.
pub(super) fn golden(name: &str, text: &str) {
    let text = format!("{}\n", anstream::adapter::strip_str(text));
    let path = path(&format!("{name}.txt"));
    if std::env::var_os(REWRITE).is_some() {
        fs::write(&path, &text).expect("the folder is ours");
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == wanted,
        "{name}.txt should hold (set {REWRITE}=1 to have it so):\n{text}"
    );
}
