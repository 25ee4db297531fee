//! Judgements by row, ready to be looked up in arrays; prepared once for any number of runs.

use embedsmith_core::error::Error;
use embedsmith_core::metrics::lists::JudgedRows;
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyType};

use super::ids::{Pace, is_grade, judgements, query_at};
use crate::error::to_py;

/// The judged documents of the evaluated queries, as rows and grades side by side.
#[pyclass(frozen, module = "embedsmith._core")]
pub(super) struct JudgedArrays {
    lists: Vec<Option<u32>>,
    ends: Vec<usize>,
    rows: Vec<i64>,
    grades: Vec<f64>,
}

impl JudgedArrays {
    pub(super) fn rows(&self) -> JudgedRows<'_> {
        JudgedRows { lists: &self.lists, ends: &self.ends, rows: &self.rows, grades: &self.grades }
    }

    /// The evaluated query that has this list.
    pub(super) fn query_of(&self, list: usize) -> Option<usize> {
        self.lists.iter().position(|own| own.is_some_and(|own| own as usize == list))
    }

    pub(super) fn lists(&self) -> &[Option<u32>] {
        &self.lists
    }
}

#[pymethods]
impl JudgedArrays {
    /// Looks the judged documents of `query_ids` up: `list_of` has the list of each query that was
    /// searched, `row_of` the row of each document; without it ids are rows.
    #[new]
    #[pyo3(signature = (query_ids, qrels, list_of, row_of, *, irrelevant_too))]
    fn new(
        query_ids: &Bound<'_, PyList>,
        qrels: &Bound<'_, PyDict>,
        list_of: &Bound<'_, PyDict>,
        row_of: Option<&Bound<'_, PyDict>>,
        irrelevant_too: bool,
    ) -> PyResult<Self> {
        let mut all =
            Self { lists: Vec::new(), ends: Vec::new(), rows: Vec::new(), grades: Vec::new() };
        let (mut pace, mut judged) = (Pace::default(), Vec::new());
        for i in 0..query_ids.len() {
            let query = query_at(query_ids, i, &mut pace)?;
            judgements(qrels, &query, irrelevant_too, &mut judged, &mut pace)?;
            all.lists.push(list_of.get_item(&query)?.map(|list| list.extract()).transpose()?);
            for (doc, grade) in &judged {
                let row = match row_of {
                    // In no list, but it counts.
                    Some(rows) => rows.get_item(doc)?.map_or(Ok(-1), |row| row.extract())?,
                    None => doc.extract::<i64>().map_err(|_| {
                        let found = doc.repr().map_or_else(|_| "?".into(), |r| r.to_string());
                        to_py(&Error::IdType { argument: "qrels", found })
                    })?,
                };
                all.rows.push(row);
                all.grades.push(*grade);
            }
            all.ends.push(all.rows.len());
        }
        Ok(all)
    }

    /// Takes judgements in compressed rows: those of list i are at offsets[i] to offsets[i + 1].
    #[classmethod]
    #[pyo3(signature = (offsets, rows, grades, *, irrelevant_too))]
    fn from_arrays(
        _class: &Bound<'_, PyType>,
        offsets: PyReadonlyArray1<'_, i64>,
        rows: PyReadonlyArray1<'_, i64>,
        grades: PyReadonlyArray1<'_, f64>,
        irrelevant_too: bool,
    ) -> PyResult<Self> {
        let (offsets, rows, grades) = (offsets.as_slice()?, rows.as_slice()?, grades.as_slice()?);
        let bad = |found: String| to_py(&Error::JudgedArrays { found });
        let in_order = offsets.first() == Some(&0)
            && offsets.windows(2).all(|pair| pair[0] <= pair[1])
            && offsets.last().is_some_and(|&end| end as usize == rows.len());
        if !in_order {
            return Err(bad(format!("offsets that do not rise from 0 to {}", rows.len())));
        }
        if grades.len() != rows.len() {
            return Err(bad(format!("{} grades for {} rows", grades.len(), rows.len())));
        }
        if let Some(grade) = grades.iter().find(|&&grade| !is_grade(grade)) {
            return Err(bad(format!("the grade {grade}")));
        }
        let n = offsets.len() - 1;
        let mut all = Self {
            lists: (0..n as u32).map(Some).collect(),
            ends: Vec::with_capacity(n),
            rows: Vec::with_capacity(rows.len()),
            grades: Vec::with_capacity(rows.len()),
        };
        let mut own = Vec::new();
        for (query, pair) in offsets.windows(2).enumerate() {
            let span = pair[0] as usize..pair[1] as usize;
            own.clear();
            own.extend_from_slice(&rows[span.clone()]);
            own.sort_unstable();
            let repeated = own.windows(2).find(|pair| pair[0] == pair[1]);
            if let Some([row, ..]) = repeated {
                return Err(bad(format!("row {row} twice for query {query}")));
            }
            for i in span {
                if irrelevant_too || grades[i] > 0.0 {
                    all.rows.push(rows[i]);
                    all.grades.push(grades[i]);
                }
            }
            all.ends.push(all.rows.len());
        }
        Ok(all)
    }
}
