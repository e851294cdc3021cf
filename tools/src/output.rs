//! Tables for people and JSON for scripts.

use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use indicatif::{BinaryBytes, HumanDuration};
use serde::Serialize;

/// A table with these column titles; the columns from the `numbers`-th on are right-aligned.
pub(crate) fn table(titles: &[&str], rows: &[Vec<String>], numbers: usize) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(titles.to_vec());
    table.add_rows(rows.to_vec());
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// Prints rows as JSON, or as the table that `table` makes of them.
pub(crate) fn print<T: Serialize>(rows: &T, as_json: bool, table: impl FnOnce(&T) -> String) {
    println!("{}", if as_json { json(rows) } else { table(rows) });
}

/// A time, ms since 1970, as people read it.
pub(crate) fn moment(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| "-".to_owned(), |it| it.to_string())
}

/// Bytes, as people read them: `1.36 TiB`.
pub(crate) fn bytes(count: u64) -> String {
    BinaryBytes(count).to_string()
}

/// A length of time, as people read it: `3 hours`.
pub(crate) fn duration(seconds: f64) -> String {
    let length = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    HumanDuration(length).to_string()
}

/// A part of a whole, in full per cent; all of nothing.
pub(crate) fn percent(part: u64, whole: u64) -> u64 {
    match whole {
        0 => 100,
        _ => u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(u64::MAX),
    }
}

/// `value` as indented JSON.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("reports hold only text, numbers and lists")
}
