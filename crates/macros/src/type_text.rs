//! A type as people write it: tokens come with a space between any two.

use quote::ToTokens;

pub(crate) fn of(tokens: &impl ToTokens) -> String {
    let spaced = tokens.to_token_stream().to_string();
    let mut text = String::with_capacity(spaced.len());
    let words: Vec<&str> = spaced.split_whitespace().collect();
    for (at, word) in words.iter().enumerate() {
        let tight = at == 0
            || starts_tight(word)
            || text.ends_with(['<', '(', '[', '&', '!', '\''])
            || (text.ends_with("::") && !word.starts_with("->"));
        if !tight {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// Nothing stands between this and what is before it.
fn starts_tight(word: &str) -> bool {
    let after_word = word.starts_with(['<', '>', ',', ';', ')', ']', ':']);
    after_word && word != "->"
}
