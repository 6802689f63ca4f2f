//! `env`: the variables that a command gets on top of its environment.

use std::os::unix::ffi::OsStringExt;

use toml::de::DeValue;

use super::keys::Keys;
use super::reader::{Reader, Table, Value};
use crate::planner::SecretsFrom;
use crate::problem::{Problem, Span, quoted};
use crate::secrets::MARK;
use crate::template::Template;
use crate::text::Text;

/// The value of a variable.
#[derive(Clone, Debug)]
pub(crate) enum EnvValue {
    /// Written in the file.
    Written(Template),
    /// Known by now: taken from the environment of pexec, or a secret.
    Taken(Text),
    /// A secret that was to be found and was not; its place in the file.
    Unknown(Span),
}

/// The variables, in the order of the file.
pub(super) fn read(reader: &mut Reader<'_>, value: &Value<'_>) -> Vec<(String, EnvValue)> {
    let Some(table) = reader.table(value) else {
        return Vec::new();
    };
    let mut env = Vec::new();
    for (name, span, value) in Table::in_file_order(table).entries() {
        if name.is_empty() || name.contains(['=', '\0']) {
            let title = format!("{} cannot be the name of an environment variable", quoted(name));
            reader
                .findings
                .add(Problem::at(span.clone(), title).label("expected a name without `=` and NUL"));
        }
        let value = match value.get_ref() {
            DeValue::Table(table) => {
                let table = reader.known(table, &Keys::ENV, "an environment variable");
                read_table(reader, name, &table, value)
            }
            _ => reader.scalar(value).map(EnvValue::Written),
        };
        env.extend(value.map(|value| (name.to_owned(), value)));
    }
    env
}

fn read_table(
    reader: &mut Reader<'_>,
    name: &str,
    table: &Table<'_, '_>,
    whole: &Value<'_>,
) -> Option<EnvValue> {
    let secret = match table.get("secret") {
        Some(secret) => reader.boolean(secret)?,
        None => false,
    };
    match (table.get("value"), table.get("from_env")) {
        // Known before anything is told: no placeholder of an item may stand in it.
        (Some(value), None) if secret && reader.secrets_from == SecretsFrom::Environment => {
            Some(match std::env::var_os(name) {
                Some(known) => {
                    let known = known.into_vec();
                    reader.secrets.push(known.clone());
                    EnvValue::Taken(Text(known))
                }
                None => EnvValue::Unknown(value.span()),
            })
        }
        (Some(value), None) if secret => {
            let text = reader.scalar_string(value)?;
            if text.contains('\0') {
                let title = "the string holds a NUL byte, which no argument, path or variable can hold";
                reader.findings.add(Problem::at(value.span(), title));
            }
            reader.secrets.push(text.clone().into_bytes());
            // What a secret is made of is one, too.
            let template = reader.scalar(value)?;
            let parts = reader
                .vars
                .behind(template.holes().map(|hole| hole.name.as_str()));
            let parts: Vec<Vec<u8>> = parts.into_iter().map(|part| part.as_bytes().to_vec()).collect();
            reader.secrets.extend(parts);
            Some(EnvValue::Taken(text.into()))
        }
        (Some(value), None) => reader.scalar(value).map(EnvValue::Written),
        (None, Some(value)) => {
            let name = reader.string(value, "the name of a variable")?;
            let taken = match name.is_empty() || name.contains(['=', '\0']) {
                true => None,
                false => std::env::var_os(&name),
            };
            match (&taken, reader.secrets_from) {
                (None, SecretsFrom::Nowhere) if secret => return Some(EnvValue::Taken(MARK.into())),
                (None, SecretsFrom::Environment) if secret => return Some(EnvValue::Unknown(value.span())),
                _ => {}
            }
            if taken.is_none() {
                let title = format!("{} is not set in the environment of pexec", quoted(&name));
                let help = "set it, or give a `value` instead";
                reader.findings.add(Problem::at(value.span(), title).help(help));
            }
            let taken = taken?.into_vec();
            if secret {
                reader.secrets.push(taken.clone());
            }
            Some(EnvValue::Taken(Text(taken)))
        }
        _ => {
            let title = "expected exactly one of `value` and `from_env`";
            let problem = Problem::at(whole.span(), title);
            // An unknown key may be the one that is missing; then it has been told.
            if table.is_empty() || table.has("value") || table.has("secret") {
                reader.findings.add(problem);
            }
            None
        }
    }
}
