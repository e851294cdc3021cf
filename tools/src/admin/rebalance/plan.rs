//! A plan as people read it.

use riquet_cluster::admin::{DiskFill, RebalancePlan};

use super::super::layout::ShortIds;
use super::pace_text;
use crate::output;

/// What a plan does, as a table, and its remarks.
pub(super) fn text(plan: &RebalancePlan) -> String {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    row("layout", plan.epoch.to_string());
    row("plan", plan.digest.clone());
    let fewest = match plan.fewest_slots == plan.slots {
        true => "the fewest possible".to_owned(),
        false => format!("the fewest possible are {}", plan.fewest_slots),
    };
    row("slots that move", format!("{} ({fewest})", plan.slots));
    row("shards in them", plan.shards.to_string());
    row("bytes in them", output::bytes(plan.bytes));
    for site in &plan.sites {
        let (slots, bytes) = (site.slots, output::bytes(site.bytes));
        row(
            &format!("within {}", site.site),
            format!("{bytes} in {slots} slots"),
        );
    }
    row("between sites", output::bytes(plan.between_sites_bytes));
    if !plan.silent_disks.is_empty() {
        let ids = ShortIds::of(plan.disks.iter().map(|fill| fill.disk));
        let silent: Vec<String> = plan.silent_disks.iter().map(|id| ids.text(*id)).collect();
        row("disks that don't answer", silent.join(", "));
    }
    row("pace", pace_text(&plan.pace));
    row(
        "time at the present rate",
        plan.seconds
            .map_or_else(|| "none: nothing moves now".to_owned(), output::duration),
    );
    row("rounds", plan.rounds.to_string());
    row(
        "deviation from shares, at most",
        format!("{:.1} %", plan.deviation * 100.0),
    );
    let [before, meanwhile, after] = plan.spare_shards;
    row(
        "shards to spare at each site",
        format!("{before} before, {meanwhile} meanwhile, {after} after"),
    );
    row("energy", format!("{:.3} kWh", plan.energy_kwh));
    let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
    let mut text = output::table(&["what", "how much"], &rows, 2);
    for remark in &plan.remarks {
        text.push_str("\n* ");
        text.push_str(remark);
    }
    text
}

/// What each disk holds before and after.
pub(super) fn disks_table(plan: &RebalancePlan) -> String {
    let ids = ShortIds::of(plan.disks.iter().map(|fill| fill.disk));
    let part = |fill: &DiskFill, bytes| match fill.total_bytes {
        // Its node does not answer.
        0 => "-".to_owned(),
        total => format!("{} %", output::percent(bytes, total)),
    };
    let row = |fill: &DiskFill| {
        vec![
            ids.text(fill.disk),
            fill.node.clone(),
            fill.before_slots.to_string(),
            fill.after_slots.to_string(),
            output::bytes(fill.before_bytes),
            output::bytes(fill.after_bytes),
            part(fill, fill.before_bytes),
            part(fill, fill.after_bytes),
        ]
    };
    let titles = [
        "disk",
        "node",
        "slots",
        "slots then",
        "bytes",
        "bytes then",
        "full",
        "full then",
    ];
    let rows: Vec<Vec<String>> = plan.disks.iter().map(row).collect();
    output::table(&titles, &rows, 2)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{answer, golden};
    use super::*;

    #[test]
    fn a_plan_reads_well() {
        let plan: RebalancePlan = answer("plan");
        golden("plan", &text(&plan));
        golden("plan-disks", &disks_table(&plan));
    }

    #[test]
    fn a_plan_that_stands_still_says_so() {
        let plan = RebalancePlan {
            seconds: None,
            fewest_slots: 1,
            ..answer("plan")
        };
        let text = text(&plan);
        assert!(text.contains("none: nothing moves now"), "{text}");
        assert!(text.contains("the fewest possible are 1"), "{text}");
    }
}
