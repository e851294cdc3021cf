//! Dense matrices over GF(2^8): the generator of a code and the inverses that
//! decode it. Small (at most 255 x 255) and off the hot path.

use crate::field;

/// A row-major matrix of field elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matrix {
    rows: usize,
    columns: usize,
    elements: Vec<u8>,
}

impl Matrix {
    fn zero(rows: usize, columns: usize) -> Matrix {
        Matrix {
            rows,
            columns,
            elements: vec![0; rows * columns],
        }
    }

    fn identity(size: usize) -> Matrix {
        let mut matrix = Matrix::zero(size, size);
        for i in 0..size {
            matrix.row_mut(i)[i] = 1;
        }
        matrix
    }

    /// The generator of the systematic code: row i holds shard i as a
    /// combination of the `data` data shards. Its top is the identity, and any
    /// `data` of its rows are linearly independent, because they are those of a
    /// Vandermonde matrix with distinct points times one invertible matrix.
    pub(crate) fn generator(data: usize, total: usize) -> Matrix {
        assert!(
            data <= total && total <= 256,
            "the points of a Vandermonde matrix are distinct"
        );
        let mut vandermonde = Matrix::zero(total, data);
        for row in 0..total {
            for column in 0..data {
                vandermonde.row_mut(row)[column] = field::power(row as u8, column);
            }
        }
        let top: Vec<usize> = (0..data).collect();
        vandermonde.multiply(&vandermonde.select_rows(&top).inverse())
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn row(&self, row: usize) -> &[u8] {
        &self.elements[row * self.columns..][..self.columns]
    }

    fn row_mut(&mut self, row: usize) -> &mut [u8] {
        &mut self.elements[row * self.columns..][..self.columns]
    }

    /// The given rows, in the given order.
    pub(crate) fn select_rows(&self, rows: &[usize]) -> Matrix {
        let elements = rows
            .iter()
            .flat_map(|&row| self.row(row))
            .copied()
            .collect();
        Matrix {
            rows: rows.len(),
            columns: self.columns,
            elements,
        }
    }

    /// `self * right`.
    pub(crate) fn multiply(&self, right: &Matrix) -> Matrix {
        assert_eq!(self.columns, right.rows, "inner dimensions agree");
        let mut product = Matrix::zero(self.rows, right.columns);
        for row in 0..self.rows {
            for (inner, &factor) in self.row(row).iter().enumerate() {
                add_multiple(product.row_mut(row), right.row(inner), factor);
            }
        }
        product
    }

    /// The inverse, by Gauss-Jordan elimination. Only rows of a generator are
    /// ever inverted, and those are independent, so a singular matrix is a bug.
    pub(crate) fn inverse(&self) -> Matrix {
        assert_eq!(
            self.rows, self.columns,
            "only square matrices have inverses"
        );
        let size = self.rows;
        let mut work = self.clone();
        let mut inverse = Matrix::identity(size);
        for pivot in 0..size {
            let source = (pivot..size)
                .find(|&row| work.row(row)[pivot] != 0)
                .expect("any `data` rows of a generator are independent");
            for matrix in [&mut work, &mut inverse] {
                matrix.swap_rows(pivot, source);
            }
            let scale = field::inverse(work.row(pivot)[pivot]);
            for matrix in [&mut work, &mut inverse] {
                matrix
                    .row_mut(pivot)
                    .iter_mut()
                    .for_each(|x| *x = field::mul(*x, scale));
            }
            let (work_pivot, inverse_pivot) =
                (work.row(pivot).to_vec(), inverse.row(pivot).to_vec());
            for row in (0..size).filter(|&row| row != pivot) {
                let factor = work.row(row)[pivot];
                add_multiple(work.row_mut(row), &work_pivot, factor);
                add_multiple(inverse.row_mut(row), &inverse_pivot, factor);
            }
        }
        inverse
    }

    fn swap_rows(&mut self, a: usize, b: usize) {
        for column in 0..self.columns {
            self.elements
                .swap(a * self.columns + column, b * self.columns + column);
        }
    }
}

/// `target += source * factor`, element by element.
fn add_multiple(target: &mut [u8], source: &[u8], factor: u8) {
    if factor == 0 {
        return;
    }
    for (t, &s) in target.iter_mut().zip(source) {
        *t ^= field::mul(s, factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_systematic() {
        let generator = Matrix::generator(5, 9);
        let top = generator.select_rows(&[0, 1, 2, 3, 4]);
        assert_eq!(top, Matrix::identity(5));
        assert_eq!((generator.rows(), generator.columns()), (9, 5));
    }

    #[test]
    fn an_inverse_undoes_its_matrix() {
        let rows = [7, 1, 8, 3, 6];
        let square = Matrix::generator(5, 9).select_rows(&rows);
        assert_eq!(square.multiply(&square.inverse()), Matrix::identity(5));
        assert_eq!(square.inverse().multiply(&square), Matrix::identity(5));
    }

    #[test]
    #[should_panic(expected = "independent")]
    fn a_singular_matrix_is_a_bug() {
        Matrix::generator(3, 5).select_rows(&[4, 4, 1]).inverse();
    }
}
