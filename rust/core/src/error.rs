//! The one error type of the crate; each variant holds the values that its message prints.

/// What can be wrong with an input.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Error {
    /// A flat buffer does not hold `rows * dim` values.
    #[error("{argument} holds {len} values, which is not {rows} rows of {dim}.")]
    Layout {
        /// Name of the argument as the caller knows it.
        argument: &'static str,
        /// Values in the buffer.
        len: usize,
        /// Rows claimed.
        rows: usize,
        /// Columns claimed.
        dim: usize,
    },
    /// Two matrices differ in width.
    #[error(
        "queries have {queries} columns but corpus has {corpus}. \
         Encode both with the same model, or cut both to the same width."
    )]
    Width {
        /// Columns of the queries.
        queries: usize,
        /// Columns of the corpus.
        corpus: usize,
    },
    /// No hits were asked for.
    #[error("k is 0; ask for at least one hit per query.")]
    ZeroK,
    /// An argument without rows.
    #[error("{argument} is empty; pass at least one row.")]
    Empty {
        /// Name of the argument.
        argument: &'static str,
    },
    /// NaN or infinity.
    #[error(
        "{argument} row {row} holds NaN or infinity, so it has no place in an order. \
         Look at what produced it, or drop the row."
    )]
    NonFinite {
        /// Name of the argument.
        argument: &'static str,
        /// First such row.
        row: usize,
    },
    /// More rows than a row number can name.
    #[error("{argument} has {rows} rows; at most {most} fit one search. Split it into shards.")]
    TooManyRows {
        /// Name of the argument.
        argument: &'static str,
        /// Rows found.
        rows: usize,
        /// Rows allowed.
        most: usize,
    },
    /// `where` or `norms` does not have one entry per corpus row.
    #[error("{argument} has {found} entries but corpus has {expected} rows; pass one per row.")]
    PerRow {
        /// Name of the argument.
        argument: &'static str,
        /// Entries found.
        found: usize,
        /// Corpus rows.
        expected: usize,
    },
    /// A per-query argument does not have one entry per query.
    #[error("{argument} has {found} entries but there are {expected} queries; pass one per query.")]
    PerQuery {
        /// Name of the argument.
        argument: &'static str,
        /// Entries found.
        found: usize,
        /// Queries.
        expected: usize,
    },
    /// The exclusions do not fit the queries.
    #[error(
        "exclude describes {found} queries but there are {expected}; \
         pass one list of corpus rows per query."
    )]
    ExcludeLength {
        /// Lists found.
        found: usize,
        /// Queries.
        expected: usize,
    },
    /// Offsets that do not cut a list into parts.
    #[error(
        "exclude has offsets that do not rise from 0 to {rows}, the number of rows excluded; \
         pass one list of corpus rows per query."
    )]
    ExcludeOffsets {
        /// Rows in all lists.
        rows: usize,
    },
    /// An exclusion that names no corpus row.
    #[error(
        "exclude names row {row} for query {query}, but corpus has rows 0 to {last}. \
         Rows are positions in corpus, not document ids."
    )]
    ExcludeRow {
        /// The query.
        query: usize,
        /// The row named.
        row: i64,
        /// Last row of the corpus.
        last: usize,
    },
    /// Offsets that do not cut pairs into one list per query.
    #[error(
        "pairs have offsets that do not rise from 0 to {rows}, the number of pairs; \
         pass one list of corpus rows per query."
    )]
    PairOffsets {
        /// Rows in all lists.
        rows: usize,
    },
    /// A pair that names no corpus row.
    #[error(
        "a pair names row {row} for query {query}, but corpus has rows 0 to {last}. \
         Rows are positions in corpus, not document ids."
    )]
    PairRow {
        /// The query.
        query: usize,
        /// The row named.
        row: i64,
        /// Last row of the corpus.
        last: usize,
    },
    /// An instruction set that is unknown, or that this machine lacks.
    #[error(
        "EMBEDSMITH_ISA={found:?} is not available here; choose one of {available}, or unset it."
    )]
    Isa {
        /// The value found.
        found: String,
        /// What this machine has.
        available: String,
    },
    /// A number of threads that is none.
    #[error(
        "threads={found} is no number from 1 to {most}; \
         pass another one, or unset EMBEDSMITH_NUM_THREADS."
    )]
    Threads {
        /// The value found.
        found: String,
        /// Threads allowed.
        most: usize,
    },
    /// The system refused to start threads.
    #[error("the system refused {threads} threads ({reason}); pass a smaller threads=.")]
    Pool {
        /// Threads wanted.
        threads: usize,
        /// The system's words.
        reason: String,
    },
    /// A threshold that nothing can reach or miss.
    #[error("threshold is NaN, which no score can be compared with; pass a number.")]
    NanThreshold,
    /// More pairs than the caller made room for.
    #[error(
        "more than {most} pairs reach the threshold. \
         Pass a stricter threshold, or a larger max_pairs= if all of them are wanted."
    )]
    TooManyPairs {
        /// Pairs allowed.
        most: u64,
    },
    /// A result that no memory can hold.
    #[error(
        "{argument} needs {bytes} bytes, which this machine does not have. \
         Ask for less at once: fewer queries a call, or a smaller k."
    )]
    Memory {
        /// What it is for.
        argument: &'static str,
        /// Its size.
        bytes: u128,
    },
    /// The job was stopped by its caller.
    #[error("stopped on request.")]
    Stopped,
    /// A line of a file is not what its format asks for.
    #[error("{path}:{line}:{column}: found {found}; expected {expected}. {fix}")]
    Parse {
        /// The file, as the caller named it.
        path: String,
        /// Line, from 1.
        line: u64,
        /// Byte in the line, from 1; a byte order mark does not count.
        column: u64,
        /// What stands there.
        found: String,
        /// What the format asks for.
        expected: String,
        /// What to do, as a sentence.
        fix: String,
    },
    /// A file, or data on their way to one, that no single line is to blame for.
    #[error("{path} {found}. {fix}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with it; reads on from the path.
        found: String,
        /// What to do, as a sentence.
        fix: String,
    },
    /// A model whose layers are none that run here.
    #[error("the model cannot run natively: {problem}. Load it with st:FOLDER instead.")]
    Architecture {
        /// What config.json says.
        problem: String,
    },
    /// A file of weights that does not fit its config.json, or is damaged.
    #[error("{file} {problem}. Copy or download the whole model folder again.")]
    Weights {
        /// The file.
        file: String,
        /// What is wrong, as a predicate.
        problem: String,
    },
    /// A tokenizer that cannot be used.
    #[error("{file} {problem}. Copy or download the whole model folder again.")]
    Tokenizer {
        /// The file.
        file: String,
        /// What is wrong, as a predicate.
        problem: String,
    },
    /// Token ids that the model has no row for.
    #[error(
        "text {text} has the token {token}, but the model knows {vocabulary}. \
         The tokenizer and the weights are of two models: copy the whole folder again."
    )]
    Token {
        /// Position of the text.
        text: usize,
        /// The token.
        token: u32,
        /// Rows in the model's table.
        vocabulary: usize,
    },
    /// A text with more tokens than there are positions, or with none.
    #[error("text {text} has {tokens} tokens; the model takes 1 to {most}.")]
    TokenCount {
        /// Position of the text.
        text: usize,
        /// Its tokens.
        tokens: usize,
        /// Positions of the model.
        most: usize,
    },
    /// The system refused to read a file.
    #[error("{path} cannot be read: {reason}. {fix}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's words.
        reason: String,
        /// What to do, as a sentence.
        fix: String,
    },
    /// The system refused to write a file.
    #[error("{path} cannot be written: {reason}. {fix}")]
    Unwritable {
        /// The file.
        path: String,
        /// The system's words.
        reason: String,
        /// What to do, as a sentence.
        fix: String,
    },
    /// A score of a run that is NaN.
    #[error(
        "the run scores document {doc:?} NaN for query {query:?}, so it has no rank. \
         Look at what produced the score, or drop the document."
    )]
    ScoreNan {
        /// The query's id.
        query: String,
        /// The document's id.
        doc: String,
    },
    /// A score of a run that is no number.
    #[error(
        "the run gives document {doc:?} the score {found} for query {query:?}; \
         scores are numbers: convert them with float()."
    )]
    ScoreType {
        /// The query's id.
        query: String,
        /// The document's id.
        doc: String,
        /// What was found.
        found: String,
    },
    /// A grade of the judgements that is no number.
    #[error(
        "the judgements give document {doc} the grade {found} for query {query:?}; \
         grades are finite numbers up to 2^53: convert or scale them first."
    )]
    GradeType {
        /// The query's id.
        query: String,
        /// The document's id.
        doc: String,
        /// What was found.
        found: String,
    },
    /// Judgements in compressed rows that do not fit together.
    #[error(
        "the judgements hold {found}. Pass (offsets, rows, grades): the documents of query i are \
         rows[offsets[i]:offsets[i + 1]], each once, with finite grades up to 2^53."
    )]
    JudgedArrays {
        /// What was found.
        found: String,
    },
    /// A grade without a gain.
    #[error(
        "the judgements hold the grade {grade}, which has no gain. \
         Add it to gain={{...}}, or use gain=\"linear\"."
    )]
    GainMissing {
        /// The grade.
        grade: f64,
    },
    /// A grade whose gain is no number.
    #[error(
        "the judgements hold the grade {grade}, and 2^{grade} is more than a float can hold. \
         Use gain=\"linear\" or gain={{grade: gain, ...}}."
    )]
    GainTooLarge {
        /// The grade.
        grade: f64,
    },
    /// A grade above the one said to be the largest.
    #[error(
        "the judgements hold the grade {grade}, but the measure says max_rel={largest}. \
         Pass the largest grade of the scale, or leave max_rel out."
    )]
    GradeAboveLargest {
        /// The grade.
        grade: f64,
        /// The one said to be the largest.
        largest: f64,
    },
    /// A container of the judgements or of a run that is no mapping.
    #[error(
        "{argument} holds {found} for query {query:?}; \
         it is a mapping of query ids to mappings of document ids."
    )]
    NotMapping {
        /// Name of the argument.
        argument: &'static str,
        /// The query's id.
        query: String,
        /// What was found.
        found: String,
    },
    /// An id that is neither a string nor an integer.
    #[error(
        "{argument} holds the id {found}; ids are strings, or integers of 64 bits: \
         convert them with str()."
    )]
    IdType {
        /// Name of the argument.
        argument: &'static str,
        /// What was found.
        found: String,
    },
    /// Ids of one type in the run, of another in the judgements.
    #[error(
        "the run has document ids such as {run}, the judgements such as {qrels}; strings and \
         integers never match. Convert one side."
    )]
    IdsDiffer {
        /// An id of the run.
        run: String,
        /// One of the judgements.
        qrels: String,
    },
    /// A tie, where ties are refused.
    #[error(
        "relevant document {doc:?} ties with another one for query {query:?} (score {score}). \
         Break the tie in the scores, or choose a rule such as ties=\"docid_desc\"."
    )]
    TiedScore {
        /// The query's id.
        query: String,
        /// The document's id.
        doc: String,
        /// The shared score.
        score: f64,
    },
    /// A result list whose scores rise.
    #[error(
        "the scores of query {query:?} rise at place {position}, but lists are best first. \
         Sort each list by falling score; for distances (metric=\"l2\") pass (-scores, rows)."
    )]
    ListRises {
        /// The query's id.
        query: String,
        /// The place, from 0.
        position: usize,
    },
    /// A result list that names a row which is none.
    #[error(
        "the list of query {query:?} names row {row} at place {position}, but doc_ids has \
         {n_docs} entries. Pass the doc_ids of the corpus that was searched; -1 ends a list."
    )]
    ListRow {
        /// The query's id.
        query: String,
        /// The place, from 0.
        position: usize,
        /// The row.
        row: i64,
        /// Number of documents.
        n_docs: usize,
    },
    /// A result list that goes on after its end.
    #[error(
        "the list of query {query:?} has row {row} at place {position}, after a -1. \
         -1 ends a list: move the filled places to the front."
    )]
    ListHole {
        /// The query's id.
        query: String,
        /// The place, from 0.
        position: usize,
        /// The row.
        row: i64,
    },
    /// A result list that names a document twice.
    #[error(
        "the list of query {query:?} names document {doc:?} (row {row}) twice. \
         Keep the best place of each document."
    )]
    ListRepeats {
        /// The query's id.
        query: String,
        /// The document's id.
        doc: String,
        /// The row.
        row: i64,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// A vector of `len` values, or [`Error::Memory`] where the allocator refuses it.
///
/// The plain way would abort the process.
///
/// # Errors
/// See above.
pub fn filled<T: Clone>(argument: &'static str, value: T, len: Option<usize>) -> Result<Vec<T>> {
    let bytes = len.map_or(u128::MAX, |len| len as u128 * size_of::<T>() as u128);
    let mut values = Vec::new();
    match len {
        Some(len) if values.try_reserve_exact(len).is_ok() => {
            values.resize(len, value);
            Ok(values)
        }
        _ => Err(Error::Memory { argument, bytes }),
    }
}
