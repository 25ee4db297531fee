//! One JSON object a line, with the place of every value for messages.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::lines::{Lines, quote};
use super::nearest::nearest;
use crate::error::{Error, Result};

/// The object of the current line; values are decoded when asked for.
pub(super) struct Object<'a, 'l> {
    lines: &'a Lines<'l>,
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a, 'l> Object<'a, 'l> {
    pub(super) fn parse(lines: &'a Lines<'l>) -> Result<Self> {
        let line = lines.text();
        let body = line.trim_ascii();
        if !body.starts_with('{') {
            let fix = if body.starts_with('[') {
                "Write one object a line: `jq -c '.[]' FILE > FIXED`."
            } else {
                "Write one JSON object a line."
            };
            let column = lines.column_of(body);
            return Err(lines.fail(column, kind(body), "a JSON object", fix));
        }
        let Fields(fields) =
            serde_json::from_str(line).map_err(|error| broken_json(lines, &error))?;
        // Sorted, so that a line of a hundred thousand fields does not cost their square; stable, so
        // that the later of two is the one that is named.
        let mut by_name: Vec<_> = fields.iter().collect();
        by_name.sort_by_key(|(name, _)| name);
        if let Some(pair) = by_name.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let (name, value) = pair[1];
            return Err(lines.fail(
                lines.column_of(value.get()),
                format!("the field {} a second time", quote(name)),
                "each field once",
                "Remove one of the two.",
            ));
        }
        Ok(Self { lines, fields })
    }

    /// The value of a field, `null` and absence being one.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        (value.get() != "null").then_some(value)
    }

    /// The value of a field that must be there; `aliases` are what others call it.
    pub(super) fn require(&self, name: &str, aliases: &[&str]) -> Result<&'a RawValue> {
        if let Some((_, value)) = self.fields.iter().find(|(field, _)| field == name) {
            return Ok(value);
        }
        let names = || self.fields.iter().map(|(field, _)| field.as_ref());
        let meant = names()
            .find(|field| aliases.iter().any(|alias| field.eq_ignore_ascii_case(alias)))
            .or_else(|| nearest(name, names()));
        let fix = match meant {
            Some(meant) => format!("Rename `{meant}` to `{name}`."),
            None => format!("Add `{name}` to the object."),
        };
        let found = match self.fields.len() {
            0 => "an empty object".to_owned(),
            _ => format!("only the fields {}", names().map(quote).collect::<Vec<_>>().join(", ")),
        };
        Err(self.lines.fail(1, found, format!("the field `{name}`"), fix))
    }

    /// The value of the first of `names` that is there, whatever its dress.
    pub(super) fn first(&self, names: &[&str], plain: fn(&str) -> String) -> Result<&'a RawValue> {
        names
            .iter()
            .find_map(|name| self.fields.iter().find(|(field, _)| plain(field) == *name))
            .map_or_else(|| self.require(names[0], &[]), |(_, value)| Ok(*value))
    }

    /// Decodes an id: a string, or a whole number taken as its digits.
    pub(super) fn id(&self, name: &str, value: &'a RawValue) -> Result<String> {
        let raw = value.get();
        let digits = raw.strip_prefix('-').unwrap_or(raw);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(raw.to_owned());
        }
        if !raw.starts_with('"') {
            let fix = "Write the id as a string, exactly as the qrels name it.";
            return Err(self.wrong_kind(name, value, "a string or a whole number", fix));
        }
        let id = self.string(name, value)?;
        if id.is_empty() {
            let fix = "Give each line an id of its own.";
            let column = self.lines.column_of(raw);
            return Err(self.lines.fail(column, format!("an empty `{name}`"), "an id", fix));
        }
        Ok(id)
    }

    /// Decodes a string.
    pub(super) fn string(&self, name: &str, value: &'a RawValue) -> Result<String> {
        let raw = value.get();
        if !raw.starts_with('"') {
            let fix = "Write the text as a string, or remove the line.";
            return Err(self.wrong_kind(name, value, "a string", fix));
        }
        serde_json::from_str(raw).map_err(|error| {
            let Some(at) = lone_surrogate(raw) else {
                return broken_json(self.lines, &error);
            };
            self.lines.fail(
                self.lines.column_of(&raw[at..]),
                format!("half a character ({}) in `{name}`", &raw[at..at + 6]),
                "both halves of the surrogate pair",
                "The text was cut inside a character: write it again from its source, \
                 or remove the escape.",
            )
        })
    }

    /// Decodes a string, or a list of strings.
    pub(super) fn strings(&self, name: &str, value: &'a RawValue) -> Result<Vec<String>> {
        if !value.get().starts_with('[') {
            return Ok(vec![self.string(name, value)?]);
        }
        let items: Vec<&RawValue> =
            serde_json::from_str(value.get()).map_err(|error| broken_json(self.lines, &error))?;
        items.into_iter().map(|item| self.string(name, item)).collect()
    }

    pub(super) fn wrong_kind(
        &self,
        name: &str,
        value: &RawValue,
        expected: &str,
        fix: &str,
    ) -> Error {
        let found = format!("{} as `{name}`", kind(value.get()));
        self.lines.fail(self.lines.column_of(value.get()), found, expected, fix)
    }
}

/// What kind of JSON value starts so; anything that is none is quoted.
fn kind(raw: &str) -> String {
    let word = match raw.as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ if raw == "null" => "null",
        _ if raw == "true" || raw == "false" => "a boolean",
        _ => return quote(raw),
    };
    word.to_owned()
}

fn broken_json(lines: &Lines<'_>, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
    let fix = if error.is_eof() {
        "An object may not span lines, and a file may be cut: `jq -c . FILE > FIXED` writes \
         one a line."
    } else {
        "Mend the line, or write the file with a JSON library."
    };
    let column = (error.column() as u64).max(1);
    lines.fail(column, format!("broken JSON ({reason})"), "one JSON object on the line", fix)
}

/// Where in a JSON string a surrogate escape stands without its other half.
fn lone_surrogate(raw: &str) -> Option<usize> {
    let bytes = raw.as_bytes();
    let unit = |at: usize| -> Option<u32> {
        let escape = raw.get(at..at + 6)?;
        u32::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
    };
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        at += match unit(at) {
            Some(0xD800..=0xDBFF) if matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => return Some(at),
            _ => 2,
        };
    }
    None
}

/// The fields of an object in their order, values left as text.
struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Fields<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(
                self,
                mut map: M,
            ) -> std::result::Result<Self::Value, M::Error> {
                let mut fields = Vec::with_capacity(4);
                while let Some((Name(name), value)) =
                    map.next_entry::<Name<'de>, &'de RawValue>()?
                {
                    fields.push((name, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A field's name, borrowed unless it holds an escape.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
