//! `args`: what a called function is given. Any value of TOML, with placeholders in its strings.

use toml::de::DeValue;

use super::reader::{Reader, Table, Value};
use crate::problem::{Problem, Span, shown};
use crate::template::Template;

/// The arguments of a call.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) form: ArgsForm,
    pub(crate) span: Span,
    /// The task itself has them, and not the defaults.
    pub(crate) own: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum ArgsForm {
    ByName(Vec<(String, Arg)>),
    ByPlace(Vec<Arg>),
    /// Something that was reported already.
    Broken,
}

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct Arg {
    pub(crate) value: ArgValue,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum ArgValue {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Template),
    List(Vec<Arg>),
    Table(Vec<(String, Arg)>),
}

pub(super) fn read(reader: &mut Reader<'_>, value: &Value<'_>) -> Args {
    let form = match value.get_ref() {
        DeValue::Table(_) | DeValue::Array(_) => match read_value(reader, value).map(|arg| arg.value) {
            Some(ArgValue::Table(named)) => ArgsForm::ByName(named),
            Some(ArgValue::List(list)) => ArgsForm::ByPlace(list),
            _ => ArgsForm::Broken,
        },
        _ => {
            let help = "write it as `args = { name = value }` or `args = [value]`";
            reader.wrong(value, "a table or an array", help);
            ArgsForm::Broken
        }
    };
    Args {
        form,
        span: value.span(),
        own: true,
    }
}

/// `None`: what is wrong was reported.
fn read_value(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Arg> {
    let read = match value.get_ref() {
        DeValue::String(_) | DeValue::Datetime(_) => reader.scalar(value).map(ArgValue::Text),
        DeValue::Boolean(boolean) => Some(ArgValue::Boolean(*boolean)),
        DeValue::Integer(_) => reader.integer(value, i64::MIN, i64::MAX).map(ArgValue::Integer),
        DeValue::Float(float) => match float.as_str().parse() {
            Ok(float) => Some(ArgValue::Float(float)),
            Err(_) => {
                let title = format!("{} is no number", shown(float.as_str()));
                reader.findings.add(Problem::at(value.span(), title));
                None
            }
        },
        DeValue::Array(list) => {
            // All of them are looked at, whatever is wrong with the first.
            let read: Vec<Option<Arg>> = list.iter().map(|value| read_value(reader, value)).collect();
            read.into_iter().collect::<Option<_>>().map(ArgValue::List)
        }
        DeValue::Table(table) => {
            let read: Vec<Option<(String, Arg)>> = Table::in_file_order(table)
                .entries()
                .map(|(key, _, value)| Some((key.to_owned(), read_value(reader, value)?)))
                .collect();
            read.into_iter().collect::<Option<_>>().map(ArgValue::Table)
        }
    };
    Some(Arg {
        value: read?,
        span: value.span(),
    })
}
