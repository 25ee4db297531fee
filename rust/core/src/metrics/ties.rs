//! The order of documents with equal scores.

/// Which of two documents with equal scores comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// The larger id, compared by bytes: the rule of `trec_eval`.
    DocidDescending,
    /// The smaller id, compared by bytes.
    DocidAscending,
    /// The one that the run lists first.
    Input,
    /// Neither: a relevant document that ties with another one is an error.
    Error,
}

/// One of the documents that share a score.
#[derive(Clone, Copy, Debug)]
pub struct Tied<'a> {
    /// The shared score.
    pub score: f64,
    /// Its id.
    pub id: &'a str,
}

/// How many documents of equal score stand before document `id`.
///
/// `group` lists documents in the order of the run and may hold other scores too.
#[must_use]
pub fn before(ties: Ties, group: &[Tied<'_>], score: f64, id: &str) -> usize {
    let same = group.iter().filter(|other| other.score == score);
    match ties {
        // Strings compare by their UTF-8 bytes.
        Ties::DocidDescending => same.filter(|other| other.id > id).count(),
        Ties::DocidAscending => same.filter(|other| other.id < id).count(),
        Ties::Input | Ties::Error => same.take_while(|other| other.id != id).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_puts_the_documents_it_says_first() {
        let group = ["d10", "d9", "é", "D9"].map(|id| Tied { score: 1.0, id });
        let group = [&group[..], &[Tied { score: 2.0, id: "z" }]].concat();
        let place = |ties, id| before(ties, &group, 1.0, id);
        // By bytes: D9 < d10 < d9 < é.
        assert_eq!(
            ["é", "d9", "d10", "D9"].map(|id| place(Ties::DocidDescending, id)),
            [0, 1, 2, 3]
        );
        assert_eq!(
            ["é", "d9", "d10", "D9"].map(|id| place(Ties::DocidAscending, id)),
            [3, 2, 1, 0]
        );
        assert_eq!(["é", "d9", "d10", "D9"].map(|id| place(Ties::Input, id)), [2, 1, 0, 3]);
    }
}
