//! What scanners look for in a page, read straight off the tokens: no tree is built, so nothing depends on how broken it is.

use html5gum::{DefaultEmitter, HtmlString, StartTag, Token, Tokenizer};

use crate::bindings::pure::text::collapsed;

/// Links, comments, forms or fields one call returns; what follows is left out.
pub const MAX_ITEMS: usize = 10_000;
/// Elements whose text nobody sees, or sees elsewhere.
const UNSEEN: [&str; 4] = ["script", "style", "template", "title"];
/// Elements that do not part the words around them.
const INLINE: [&str; 17] = [
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "mark", "s", "small", "span", "strong", "u",
    "wbr",
];
/// Attributes that hold a URL.
const LINKS: [(&str, &str); 16] = [
    ("a", "href"),
    ("area", "href"),
    ("audio", "src"),
    ("base", "href"),
    ("embed", "src"),
    ("form", "action"),
    ("frame", "src"),
    ("iframe", "src"),
    ("img", "src"),
    ("input", "src"),
    ("link", "href"),
    ("object", "data"),
    ("script", "src"),
    ("source", "src"),
    ("track", "src"),
    ("video", "src"),
];

/// A URL somewhere in a page.
#[derive(Debug, PartialEq, Eq)]
pub struct Link {
    /// The element.
    pub tag: String,
    /// Its attribute.
    pub attribute: &'static str,
    /// The value without white space around it.
    pub url: String,
    /// `rel` in lower case: what a link is for; empty where the element says nothing.
    pub rel: String,
}

/// A field of a form.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// `name`.
    pub name: String,
    /// `type` of an `input` in lower case (`text` where it says none), otherwise the element.
    pub kind: String,
    /// `value`.
    pub value: String,
}

/// A form.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// `action`, `method` in lower case (`get` where it says none), `id`, `name`, `enctype`; empty where absent.
    pub attributes: [(&'static str, String); 5],
    /// Its fields.
    pub fields: Vec<Field>,
}

/// The tokens of a page, entities decoded, scripts and styles in one piece.
fn tokens(page: &str) -> impl Iterator<Item = Token> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    Tokenizer::new_with_emitter(page, emitter).flatten()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    tag.attributes.get(name.as_bytes()).map(|value| lossy(value))
}

fn trimmed(tag: &StartTag<()>, name: &str) -> Option<String> {
    attribute(tag, name).map(|value| value.trim().to_owned())
}

/// The first title, on one line; `None` where there is none.
pub fn title(page: &str) -> Option<String> {
    let mut title: Option<String> = None;
    for token in tokens(page) {
        match (token, &mut title) {
            (Token::StartTag(tag), None) if **tag.name == *b"title" => title = Some(String::new()),
            (Token::String(text), Some(title)) => title.push_str(&lossy(&text)),
            (Token::EndTag(tag), Some(_)) if **tag.name == *b"title" => break,
            _ => {}
        }
    }
    title.map(|text| collapsed(&text))
}

/// The content of the first `meta` whose `name`, `http-equiv` or `property` is `name` in either case.
pub fn meta(page: &str, name: &str) -> Option<String> {
    tokens(page).find_map(|token| match token {
        Token::StartTag(tag) if **tag.name == *b"meta" => {
            let names = ["name", "http-equiv", "property"].into_iter().filter_map(|key| attribute(&tag, key));
            let is_meant = names.into_iter().any(|value| value.trim().eq_ignore_ascii_case(name));
            if is_meant { trimmed(&tag, "content") } else { None }
        }
        _ => None,
    })
}

/// Every attribute that holds a URL, in the order of the page.
pub fn links(page: &str) -> Vec<Link> {
    let of_tag = |tag: StartTag<()>| {
        let tag_name = lossy(&tag.name);
        let held = LINKS.iter().filter(move |(element, _)| *element == tag_name).filter_map(move |(element, key)| {
            let rel = trimmed(&tag, "rel").unwrap_or_default().to_lowercase();
            Some(Link { tag: (*element).to_owned(), attribute: key, url: trimmed(&tag, key)?, rel })
        });
        held.collect::<Vec<_>>()
    };
    let starts = tokens(page).filter_map(|token| if let Token::StartTag(tag) = token { Some(tag) } else { None });
    starts.flat_map(of_tag).take(MAX_ITEMS).collect()
}

/// The text of all comments.
pub fn comments(page: &str) -> Vec<String> {
    let texts = tokens(page).filter_map(|token| match token {
        Token::Comment(text) => Some(lossy(&text)),
        _ => None,
    });
    texts.take(MAX_ITEMS).collect()
}

/// What a reader without scripts sees, with single spaces. A slash does not close a script: browsers ignore it too.
pub fn text(page: &str) -> String {
    let mut out = String::new();
    let mut unseen: Option<HtmlString> = None;
    for token in tokens(page) {
        let name = match token {
            Token::String(text) if unseen.is_none() => {
                out.push_str(&lossy(&text));
                continue;
            }
            Token::StartTag(tag) if unseen.is_none() => {
                if is_among(&tag.name, &UNSEEN) {
                    unseen = Some(tag.name.clone());
                }
                tag.name
            }
            Token::EndTag(tag) if unseen.as_ref().is_none_or(|name| *name == tag.name) => {
                unseen = None;
                tag.name
            }
            _ => continue,
        };
        if !is_among(&name, &INLINE) {
            out.push(' ');
        }
    }
    collapsed(&out)
}

fn is_among(name: &[u8], list: &[&str]) -> bool {
    list.iter().any(|known| known.as_bytes() == name)
}

/// The forms with their fields; a field outside of any form is left out.
pub fn forms(page: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut inside = false;
    let mut left = MAX_ITEMS;
    for token in tokens(page) {
        match token {
            Token::StartTag(tag) if **tag.name == *b"form" => {
                forms.push(form(&tag));
                inside = true;
                left -= 1;
            }
            Token::EndTag(tag) if **tag.name == *b"form" => inside = false,
            Token::StartTag(tag) if inside => {
                if let (Some(form), Some(field)) = (forms.last_mut(), field(&tag)) {
                    form.fields.push(field);
                    left -= 1;
                }
            }
            _ => {}
        }
        if left == 0 {
            break;
        }
    }
    forms
}

fn form(tag: &StartTag<()>) -> Form {
    let text = |key| (key, trimmed(tag, key).unwrap_or_default());
    let method = trimmed(tag, "method").map_or("get".to_owned(), |method| method.to_ascii_lowercase());
    let attributes = [text("action"), ("method", method), text("id"), text("name"), text("enctype")];
    Form { attributes, fields: Vec::new() }
}

fn field(tag: &StartTag<()>) -> Option<Field> {
    let element = lossy(&tag.name);
    let kind = match element.as_str() {
        "input" => trimmed(tag, "type").map_or("text".to_owned(), |kind| kind.to_ascii_lowercase()),
        "select" | "textarea" | "button" => element,
        _ => return None,
    };
    let text = |key| attribute(tag, key).unwrap_or_default();
    Some(Field { name: text("name"), kind, value: text("value") })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn broken_pages() {
        assert_eq!(title("<title>unfinished &amp; open").as_deref(), Some("unfinished & open"));
        assert_eq!(title("<TITLE>\n a\t<b> \n</TITLE>").as_deref(), Some("a <b>"));
        assert_eq!(title("<script>'<title>no</title>'</script><title>yes</title>").as_deref(), Some("yes"));
        assert_eq!(title("plain"), None);
        assert_eq!(text("a<script>x</script>b<br>c <b>d</b>e<style>y"), "a b c de");
        assert_eq!(text("a<style/>b"), "a", "a style without an end swallows the rest");
    }

    #[test]
    fn items_are_bounded() {
        assert_eq!(links(&"<a href=x>".repeat(MAX_ITEMS + 5)).len(), MAX_ITEMS);
        assert_eq!(comments(&"<!--x-->".repeat(MAX_ITEMS + 5)).len(), MAX_ITEMS);
        let fields: usize = forms(&"<form><input>".repeat(MAX_ITEMS)).iter().map(|form| 1 + form.fields.len()).sum();
        assert_eq!(fields, MAX_ITEMS);
    }

    proptest! {
        #[test]
        fn nothing_panics(page in "[<>/!a-]{0,30}(<form|<title|<a href|<meta name=x)?[<>=&#;'\" x/-]{0,20}") {
            let _ = (title(&page), text(&page), links(&page), forms(&page), comments(&page), meta(&page, "x"));
        }
    }
}
