//! The Rhai module `html`.

pub mod charset;
pub mod document;

use std::borrow::Cow;

use rhai::plugin::{export_module, exported_module};
use rhai::{Array, Dynamic, Map};

use self::document::{Field, Form, Link};
use crate::bindings::data::{Data, View, view};
use crate::bindings::fault::Fallible;
use crate::bindings::located;

/// Bytes of a page that are looked at.
const MAX_PAGE: usize = 1 << 20;

/// The static module `html`.
pub fn module() -> rhai::Module {
    located::module(&natives::RHAI_MANIFEST, exported_module!(natives))
}

/// The text of a body: as it is, or decoded by the charset it names; cut off behind [`MAX_PAGE`].
fn page<'a>(view: &'a View<'_>) -> Cow<'a, str> {
    let bytes = view.get(..MAX_PAGE).unwrap_or(view);
    match view {
        View::Blob(_) => charset::decode(bytes, ""),
        View::Text(_) => String::from_utf8_lossy(bytes),
    }
}

fn optional(text: Option<String>) -> Dynamic {
    text.map_or(Dynamic::UNIT, Dynamic::from)
}

fn link_map(link: Link) -> Dynamic {
    let attribute = link.attribute.to_owned();
    let fields = [("tag", link.tag), ("attribute", attribute), ("url", link.url), ("rel", link.rel)];
    let map: Map = fields.into_iter().map(|(key, text)| (key.into(), text.into())).collect();
    map.into()
}

fn field_map(field: Field) -> Dynamic {
    let map: Map =
        [("name".into(), field.name.into()), ("type".into(), field.kind.into()), ("value".into(), field.value.into())]
            .into();
    map.into()
}

fn form_map(form: Form) -> Dynamic {
    let mut map: Map = form.attributes.into_iter().map(|(key, text)| (key.into(), text.into())).collect();
    map.insert("fields".into(), form.fields.into_iter().map(field_map).collect::<Array>().into());
    map.into()
}

/// What scanners look for in a web page. A body given as BLOB is decoded first: by its byte order mark, its `meta`, else as
/// UTF-8, else as windows-1252; use `decode` where the header names a charset. Broken pages are read as browsers read them,
/// never refused; at most the first 1 MiB and 10 000 items count.
#[export_module(manifest)]
mod natives {
    /// The body as text, decoded by its byte order mark, the charset of the header `content_type`, its `meta`, else as UTF-8,
    /// else as windows-1252.
    ///
    /// ```rhai
    /// assert_eq(html::decode(hex::decode("cfd0"), "text/html; charset=koi8-r"), "оп");
    /// assert_eq(html::decode(hex::decode("e9"), ""), "é");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn decode(body: &mut Data, content_type: &str) -> Fallible<String> {
        let view = view("html::decode", body)?;
        Ok(match &view {
            View::Blob(blob) => charset::decode(blob, content_type).into_owned(),
            View::Text(text) => text.to_string(),
        })
    }

    /// The title on one line, entities decoded; `()` where there is none.
    ///
    /// ```rhai
    /// assert_eq(html::title("<title>\n Log in &mdash;\tRouter</title>"), "Log in — Router");
    /// assert_eq(html::title("no page"), ());
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn title(body: &mut Data) -> Fallible<Dynamic> {
        Ok(optional(document::title(&page(&view("html::title", body)?))))
    }

    /// The content of the first `meta` of that `name`, `http-equiv` or `property`, in either case; `()` where there is none.
    ///
    /// ```rhai
    /// assert_eq(html::meta("<meta name=Generator content='WordPress 6.4'>", "generator"), "WordPress 6.4");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn meta(body: &mut Data, name: &str) -> Fallible<Dynamic> {
        Ok(optional(document::meta(&page(&view("html::meta", body)?), name)))
    }

    /// Every URL in the page as `#{tag, attribute, url, rel}`, in order and as written: `href` of links, `src` of scripts,
    /// images and frames, `action` of forms. Resolve it with `url::resolve`. `rel` says what a link is for, in lower case;
    /// empty where the element does not say.
    ///
    /// ```rhai
    /// let l = html::links("<a href='/x?a&amp;b'>x</a><img src=y.png>");
    /// assert_eq(l.map(|link| link.url), ["/x?a&b", "y.png"]);
    /// assert_eq([l[1].tag, l[1].attribute], ["img", "src"]);
    /// assert_eq(html::links("<link rel='Shortcut Icon' href=i.ico>")[0].rel, "shortcut icon");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn links(body: &mut Data) -> Fallible<Array> {
        Ok(document::links(&page(&view("html::links", body)?)).into_iter().map(link_map).collect())
    }

    /// What a reader sees, with single spaces: no tags, scripts, styles or title.
    ///
    /// ```rhai
    /// assert_eq(html::text("<p>It <b>works</b>!</p><script>x</script><p>&lt;2&gt;"), "It works! <2>");
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn text(body: &mut Data) -> Fallible<String> {
        Ok(document::text(&page(&view("html::text", body)?)))
    }

    /// The forms as `#{action, method, id, name, enctype, fields}`, each field as `#{name, type, value}`. Absent attributes
    /// are empty, the method is in lower case and `get` where it is not given; selects, text areas and buttons have their
    /// element as type.
    ///
    /// ```rhai
    /// let f = html::forms("<form action=/in method=POST><input name=u><input type=password name=p></form>")[0];
    /// assert_eq([f.action, f.method], ["/in", "post"]);
    /// assert_eq(f.fields.map(|field| field.type), ["text", "password"]);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn forms(body: &mut Data) -> Fallible<Array> {
        Ok(document::forms(&page(&view("html::forms", body)?)).into_iter().map(form_map).collect())
    }

    /// The text of all comments.
    ///
    /// ```rhai
    /// assert_eq(html::comments("<!-- build 42 --><p><!--x-->"), [" build 42 ", "x"]);
    /// ```
    #[rhai_fn(return_raw, pure)]
    pub fn comments(body: &mut Data) -> Fallible<Array> {
        Ok(document::comments(&page(&view("html::comments", body)?)).into_iter().map(Dynamic::from).collect())
    }
}
