//! The rows of the table: code, cell size, operation.

/// The codes compared, as (data, parity).
pub const CODES: [(usize, usize); 6] = [(4, 2), (8, 4), (10, 4), (4, 8), (8, 12), (16, 4)];

/// Cell sizes in bytes, and whether the stripes of a run stay in a core's caches
/// or come from memory each time.
pub const CELLS: [(usize, Residence); 3] = [
    (64 << 10, Residence::Cache),
    (128 << 10, Residence::Cache),
    (1 << 20, Residence::Memory),
];

/// Where a run finds its stripes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Residence {
    /// One stripe, over and over.
    Cache,
    /// As many stripes as are far larger than any cache, in turn.
    Memory,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// All parity from all data.
    Encode,
    /// The first so many shards from the next `data` ones.
    Reconstruct(usize),
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Data shards.
    pub data: usize,
    /// Parity shards.
    pub parity: usize,
    /// Bytes of a shard.
    pub cell_bytes: usize,
    /// Where the shards are.
    pub residence: Residence,
    /// What is done.
    pub operation: Operation,
}

impl Row {
    /// All rows, in the table's order: encoding, then one, two and all losses
    /// that the code survives.
    pub fn all() -> impl Iterator<Item = Row> {
        let codes = CODES
            .into_iter()
            .flat_map(|code| CELLS.map(|cell| (code, cell)));
        codes.flat_map(|((data, parity), (cell_bytes, residence))| {
            let mut operations = vec![Operation::Encode];
            operations.extend([1, 2].map(Operation::Reconstruct));
            operations.extend((parity > 2).then_some(Operation::Reconstruct(parity)));
            operations.into_iter().map(move |operation| Row {
                data,
                parity,
                cell_bytes,
                residence,
                operation,
            })
        })
    }

    /// Number of shards.
    pub fn total(&self) -> usize {
        self.data + self.parity
    }

    /// Bytes of data, which all figures count: as many for every operation.
    pub fn data_bytes(&self) -> usize {
        self.data * self.cell_bytes
    }

    /// The shards read, as many as there is data, and those computed.
    pub fn shards(&self) -> (Vec<usize>, Vec<usize>) {
        match self.operation {
            Operation::Encode => (
                (0..self.data).collect(),
                (self.data..self.total()).collect(),
            ),
            Operation::Reconstruct(lost) => {
                ((lost..lost + self.data).collect(), (0..lost).collect())
            }
        }
    }

    /// Its name among criterion's groups.
    pub fn group(&self) -> String {
        let Row {
            data,
            parity,
            cell_bytes,
            ..
        } = self;
        format!(
            "erasure {data}+{parity} {} KiB {}",
            cell_bytes >> 10,
            self.operation_name()
        )
    }

    /// Its operation, in words.
    pub fn operation_name(&self) -> String {
        match self.operation {
            Operation::Encode => "encode".to_owned(),
            Operation::Reconstruct(lost) => format!("rebuild {lost}"),
        }
    }
}
