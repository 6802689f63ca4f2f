//! A JSON value on its way between processes. The codec of tasks is not self-describing, and JSON is, so it travels
//! as text.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A JSON value that can be a task's argument or result. In any other format it is a string that holds JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Json(pub Value);

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0.to_string())
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Json, D::Error> {
        let text = String::deserialize(d)?;
        let value = serde_json::from_str(&text).map_err(serde::de::Error::custom)?;
        Ok(Json(value))
    }
}

impl std::fmt::Display for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a function returned as what a command would have written: a string as it is, nothing for `null`, anything
/// else as JSON; one line's end behind it.
pub(super) fn as_output(json: Vec<u8>) -> Vec<u8> {
    let mut line = match json.first() {
        Some(b'"') => serde_json::from_slice::<String>(&json).map_or(json, String::into_bytes),
        Some(b'n') | None => return Vec::new(),
        Some(_) => json,
    };
    if line.last() != Some(&b'\n') {
        line.push(b'\n');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_written_as_a_command_would_have() {
        let output = |value: Value| as_output(serde_json::to_vec(&value).expect("JSON"));
        assert_eq!(output(Value::Null), b"");
        assert_eq!(output("a \"b\"".into()), b"a \"b\"\n");
        assert_eq!(output("two\nlines\n".into()), b"two\nlines\n");
        assert_eq!(output("".into()), b"\n");
        assert_eq!(output(serde_json::json!([1, "x"])), b"[1,\"x\"]\n");
    }

    #[test]
    fn json_travels_as_text() {
        let value = Json(serde_json::json!({ "a": [1, null, u64::MAX] }));
        let text = serde_json::to_string(&value).expect("written");
        assert_eq!(serde_json::from_str::<Json>(&text).expect("read"), value);
    }
}
