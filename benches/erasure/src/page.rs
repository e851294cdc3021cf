//! The page: how it was measured, the table of peers, the table of hashing.

use std::fmt::Write;

use riquet_benches_erasure::hashing::{CODES, OBJECT_BYTES, orders};
use riquet_benches_erasure::peers::IsaL;
use riquet_benches_erasure::work::Residence;
use riquet_benches_erasure::{Row, peers};
use riquet_erasure::Codec;

use crate::cpu::Cpu;
use crate::results::Results;

/// Renders everything measured.
pub(crate) fn page(cpu: &Cpu, results: &Results) -> String {
    let mut page = heading(cpu);
    peers_table(&mut page, results);
    hashing_table(&mut page, results);
    page
}

fn heading(cpu: &Cpu) -> String {
    let kernel = Codec::new(1, 1).map_or_else(
        |error| error.to_string(),
        |codec| codec.kernel().to_string(),
    );
    format!(
        "# The erasure code on {}\n\n\
         Written by `make bench-erasure`; kernel `{kernel}`, ISA-L from `{}`.\n\n\
         GB/s of data (1e9 bytes, `k` cells, whatever the operation computes) on one thread, median.\n\
         Cells of 64 and 128 KiB: one stripe over and over. Cells of 1 MiB: 384 MiB of stripes in\n\
         turn, so they come from memory. All peers of a row run one after the other, on the same\n\
         memory, with shards at cache lines and 320 bytes between them. Tables, inverted matrices and\n\
         pointers are made before the clock starts. `rebuild n`: the first `n` shards are lost.\n\
         `rs-simd` is another code and rebuilds data shards only; the others compute the same bytes,\n\
         which every run checks.\n",
        cpu.name,
        IsaL::library_name()
    )
}

fn peers_table(page: &mut String, results: &Results) {
    let names: Vec<&str> = peers::all().iter().map(|peer| peer.name()).collect();
    let against = [names[0], "ISA-L", "rs-erasure simd"];
    let _ = writeln!(
        page,
        "\n| code | cell | operation | {} | to ISA-L | to rs-erasure simd |\n|---|---|---|{}",
        names.join(" | "),
        "---:|".repeat(names.len() + 2)
    );
    for row in Row::all() {
        let rate = |name: &str| results.gb_per_second(&row.group(), name, row.data_bytes());
        let figures: Vec<String> = names.iter().map(|name| figure(rate(name))).collect();
        let ratios: Vec<String> = against[1..]
            .iter()
            .map(|peer| {
                let ratio = rate(against[0])
                    .zip(rate(peer))
                    .map(|(ours, peer)| ours / peer);
                ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
            })
            .collect();
        let cold = if row.residence == Residence::Memory {
            ", from memory"
        } else {
            ""
        };
        let _ = writeln!(
            page,
            "| {}+{} | {} KiB{cold} | {} | {} | {} |",
            row.data,
            row.parity,
            row.cell_bytes >> 10,
            row.operation_name(),
            figures.join(" | "),
            ratios.join(" | ")
        );
    }
}

/// Three digits that matter.
fn figure(rate: Option<f64>) -> String {
    match rate {
        None => "-".to_owned(),
        Some(rate) if rate < 9.995 => format!("{rate:.2}"),
        Some(rate) => format!("{rate:.1}"),
    }
}

fn hashing_table(page: &mut String, results: &Results) {
    let codes: Vec<String> = CODES
        .iter()
        .map(|(data, parity)| format!("{data}+{parity}"))
        .collect();
    let _ = writeln!(
        page,
        "\n## Encode, and BLAKE3 of every cell\n\n\
         CPU-seconds per GiB of object, cells of 64 KiB, an object of {} MiB in memory.\n\n\
         | order | {} |\n|---|{}",
        OBJECT_BYTES >> 20,
        codes.join(" | "),
        "---:|".repeat(codes.len())
    );
    for order in orders() {
        let seconds = codes.iter().map(|code| {
            let rate = results.gb_per_second(&format!("hash {code}"), &order.name(), OBJECT_BYTES);
            let gib = f64::from(1 << 30) / 1e9;
            rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.3}", gib / rate))
        });
        let _ = writeln!(
            page,
            "| {} | {} |",
            order.name(),
            seconds.collect::<Vec<_>>().join(" | ")
        );
    }
}
