//! The name that was probably meant.

/// The candidate nearest to `name`, if one is near: the same word in other dress (`docId` for
/// `doc_id`), else at most two edits and at most half of the letters away.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = plain(name);
    candidates
        .into_iter()
        .map(|candidate| (edits(&plain, &self::plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= 2 && 2 * distance <= plain.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Levenshtein's distance.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_punctuation_and_a_slip_are_forgiven_and_other_words_are_not() {
        assert_eq!(nearest("_id", ["text", "id", "title"]), Some("id"));
        assert_eq!(nearest("_id", ["ID"]), Some("ID"));
        assert_eq!(nearest("text", ["txt", "title"]), Some("txt"));
        assert_eq!(nearest("positive", ["postive", "negative"]), Some("postive"));
        assert_eq!(nearest("text", ["title", "metadata"]), None);
        assert_eq!(nearest("text", []), None);
    }

    #[test]
    fn edits_are_levenshteins() {
        let chars = |s: &str| s.chars().collect::<Vec<_>>();
        assert_eq!(edits(&chars("kitten"), &chars("sitting")), 3);
        assert_eq!(edits(&chars(""), &chars("abc")), 3);
    }
}
