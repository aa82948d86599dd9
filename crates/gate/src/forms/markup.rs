//! The field and the meta tag, written into HTML as it streams through.

use std::sync::Arc;

use encoding_rs::Encoding;
use lol_html::html_content::{ContentType, EndTag};
use lol_html::send::{Element, ElementContentHandlers, HtmlRewriter, Settings};
use lol_html::{AsciiCompatibleEncoding, MemorySettings, Selector};
use parking_lot::Mutex;
use std::borrow::Cow;

use super::target::Site;

/// The most that one page may make the rewriter hold: unfinished tags and unclosed elements. Beyond
/// it the rest of the page goes through as it is.
const MEMORY: usize = 4 << 20;

const HTML: &str = "http://www.w3.org/1999/xhtml";

/// The character encoding of a page, as far as it is known before reading it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Charset {
    /// Named by Content-Type.
    Named(AsciiCompatibleEncoding),
    /// Not named there: what the page's own meta tag says counts.
    Unnamed,
}

impl Charset {
    /// From the label in Content-Type; `None` for an encoding that is not a superset of ASCII, in
    /// which tags cannot be found byte by byte. A label that nobody knows counts as none.
    pub(super) fn from_label(label: Option<&str>) -> Option<Self> {
        match label.and_then(|label| Encoding::for_label(label.as_bytes())) {
            Some(encoding) => AsciiCompatibleEncoding::new(encoding).map(Self::Named),
            None => Some(Self::Unnamed),
        }
    }
}

/// What is written into a page.
#[derive(Clone, Debug)]
pub(super) struct Insert {
    /// The hidden input.
    pub(super) field: String,
    /// The meta tag.
    pub(super) meta: String,
}

impl Insert {
    pub(super) fn new(name: &str, token: &str) -> Self {
        let (name, token) = (escape(name), escape(token));
        Self {
            field: format!(r#"<input type="hidden" name="{name}" value="{token}">"#),
            meta: format!(r#"<meta name="csrf-token" content="{token}">"#),
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

/// What the form could be that a browser is in at this point of the page. Several may be true at once:
/// a browser drops a form tag inside an open form, but whether one is open depends on the whole tree.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    /// Any form at all.
    form: bool,
    /// One that has the field.
    field: bool,
    /// One that leads elsewhere, by its action or by one of its buttons.
    foreign: bool,
}

struct State {
    site: Site,
    insert: Insert,
    open: Open,
    /// Templates around this point: forms in them are apart from those outside.
    templates: usize,
    /// Whether the field was written anywhere yet.
    wrote: bool,
    /// The application brings a meta tag of that name itself.
    own_meta: bool,
}

type Shared = Arc<Mutex<State>>;
type Sink = Box<dyn FnMut(&[u8]) + Send>;

/// A page on its way through.
pub(super) struct Markup {
    rewriter: Option<HtmlRewriter<'static, Sink>>,
    out: Arc<Mutex<Vec<u8>>>,
    /// The first bytes, until there are enough of them to know a byte order mark.
    lead: Option<Vec<u8>>,
}

impl Markup {
    pub(super) fn new(site: Site, insert: Insert, charset: Charset) -> Self {
        let out = Arc::new(Mutex::new(Vec::new()));
        let sink_out = Arc::clone(&out);
        let sink: Sink = Box::new(move |bytes| sink_out.lock().extend_from_slice(bytes));
        let state =
            State { site, insert, open: Open::default(), templates: 0, wrote: false, own_meta: false };
        let settings = settings(&Arc::new(Mutex::new(state)), charset);
        Self { rewriter: Some(HtmlRewriter::new(settings, sink)), out, lead: Some(Vec::new()) }
    }

    /// Takes the next piece of the page; what is ready comes back.
    pub(super) fn write(&mut self, piece: &[u8]) -> Vec<u8> {
        if let Some(lead) = &mut self.lead {
            lead.extend_from_slice(piece);
            if lead.len() < 2 {
                return Vec::new();
            }
            let lead = self.lead.take().unwrap_or_default();
            if lead.starts_with(b"\xfe\xff") || lead.starts_with(b"\xff\xfe") {
                tracing::debug!("a page in UTF-16 goes through without CSRF fields");
                self.rewriter = None;
            }
            return self.feed(&lead);
        }
        self.feed(piece)
    }

    /// The rest, once the page is over.
    pub(super) fn end(&mut self) -> Vec<u8> {
        let mut rest = match self.lead.take() {
            Some(lead) => self.feed(&lead),
            None => Vec::new(),
        };
        if let Some(rewriter) = self.rewriter.take()
            && let Err(error) = rewriter.end()
        {
            tracing::warn!(%error, "the end of a page went through without CSRF fields");
        }
        rest.append(&mut self.out.lock());
        rest
    }

    fn feed(&mut self, piece: &[u8]) -> Vec<u8> {
        let Some(rewriter) = &mut self.rewriter else { return piece.to_vec() };
        if let Err(error) = rewriter.write(piece) {
            // All that was given is in `out` by now, the last part of it unchanged.
            tracing::warn!(%error, "the rest of a page goes through without CSRF fields");
            self.rewriter = None;
        }
        std::mem::take(&mut self.out.lock())
    }
}

fn settings(state: &Shared, charset: Charset) -> Settings<'static, 'static> {
    let memory = MemorySettings::new()
        .with_max_allowed_memory_usage(MEMORY)
        .with_graceful_bail_out_on_memory_limit_exceeded(true);
    let mut settings = Settings::new_send()
        .with_memory_settings(memory)
        .with_graceful_bail_out_on_content_handler_error(true)
        // Ambiguous markup is no reason to cut a page: what is in doubt gets no field.
        .with_strict(false);
    settings = match charset {
        Charset::Named(encoding) => settings.with_encoding(encoding),
        Charset::Unnamed => settings.with_adjust_charset_on_meta_tag(true),
    };
    let may_switch = matches!(charset, Charset::Unnamed);
    let handlers: [(&str, Handler); 6] = [
        ("template", Box::new(template)),
        ("form", Box::new(form)),
        ("input, button", Box::new(control)),
        ("base", Box::new(base)),
        ("head", Box::new(head)),
        ("meta", Box::new(move |element, state| meta(element, state, may_switch))),
    ];
    for (selector, handler) in handlers {
        let state = Arc::clone(state);
        // The selectors are constants; a test goes through all of them.
        let Ok(selector) = selector.parse::<Selector>() else { continue };
        let handlers = ElementContentHandlers::default().element(move |element: &mut Element<'_, '_>| {
            if element.namespace_uri() == HTML { handler(element, &state) } else { Ok(()) }
        });
        settings = settings.append_element_content_handler((Cow::Owned(selector), handlers));
    }
    settings
}

type Handler = Box<dyn Fn(&mut Element<'_, '_>, &Shared) -> lol_html::HandlerResult + Send>;

fn is_post(element: &Element<'_, '_>) -> bool {
    element.get_attribute("method").is_some_and(|method| method.eq_ignore_ascii_case("post"))
}

fn template(element: &mut Element<'_, '_>, state: &Shared) -> lol_html::HandlerResult {
    state.lock().templates += 1;
    let state = Arc::clone(state);
    on_own_end_tag(element, "template", move |_| {
        let mut state = state.lock();
        state.templates = state.templates.saturating_sub(1);
    })
}

fn form(element: &mut Element<'_, '_>, shared: &Shared) -> lol_html::HandlerResult {
    let mut state = shared.lock();
    let own = state.site.is_own(&element.get_attribute("action").unwrap_or_default());
    let wanted = own && is_post(element);
    let outside = state.templates == 0;
    if wanted && outside && state.open.foreign {
        // What follows could belong to the outer form, and so would the field.
        tracing::warn!("a form inside a form that leads elsewhere got no CSRF field");
    } else if wanted {
        state.wrote = true;
        state.open.field |= outside;
        element.prepend(&state.insert.field, ContentType::Html);
    }
    if !outside {
        return Ok(());
    }
    state.open.form = true;
    state.open.foreign |= !own;
    drop(state);
    let shared = Arc::clone(shared);
    on_own_end_tag(element, "form", move |_| shared.lock().open = Open::default())
}

/// A button that would send the form, and the field in it, elsewhere is switched off: the field is
/// already written and cannot be taken back. Buttons of a form without the field stay, and then the
/// form counts as foreign. One outside of all forms may still belong to an earlier one, by its `form`
/// attribute or by tags that are not nested properly.
fn control(element: &mut Element<'_, '_>, state: &Shared) -> lol_html::HandlerResult {
    let Some(target) = element.get_attribute("formaction") else { return Ok(()) };
    let mut state = state.lock();
    if state.site.is_own(&target) {
        return Ok(());
    }
    let anywhere = state.templates > 0 || element.has_attribute("form");
    if anywhere || state.open.field || (state.wrote && !state.open.form) {
        tracing::warn!("a button that would send the CSRF field elsewhere was switched off");
        element.set_attribute("disabled", "")?;
    } else {
        state.open.foreign |= state.open.form;
    }
    Ok(())
}

fn base(element: &mut Element<'_, '_>, state: &Shared) -> lol_html::HandlerResult {
    let Some(href) = element.get_attribute("href") else { return Ok(()) };
    let mut state = state.lock();
    if state.wrote && !state.site.is_own(&href) {
        // Addresses are resolved when a form is sent: a late base would lead earlier forms astray.
        tracing::warn!("a foreign base after a form with the CSRF field was taken out");
        element.remove_attribute("href");
        return Ok(());
    }
    if !state.site.is_own(&href) {
        state.site.distrust_relative();
        // An open form that seemed to stay here may now lead elsewhere.
        state.open.foreign |= state.open.form;
    }
    Ok(())
}

fn head(element: &mut Element<'_, '_>, state: &Shared) -> lol_html::HandlerResult {
    let state = Arc::clone(state);
    on_own_end_tag(element, "head", move |end| {
        let state = state.lock();
        if !state.own_meta {
            end.before(&state.insert.meta, ContentType::Html);
        }
    })
}

fn meta(element: &mut Element<'_, '_>, state: &Shared, may_switch: bool) -> lol_html::HandlerResult {
    if element.get_attribute("name").is_some_and(|name| name.eq_ignore_ascii_case("csrf-token")) {
        state.lock().own_meta = true;
    }
    let label = element.get_attribute("charset").or_else(|| {
        let content = element.get_attribute("content")?;
        let (_, label) = content.split_once("charset=")?;
        Some(label.trim_matches(['"', '\'', ' ']).to_owned())
    });
    let not_ascii = |label: String| {
        // UTF-16 in a meta tag is read as UTF-8 by browsers: it could not have been found otherwise.
        Encoding::for_label(label.as_bytes()).is_some_and(|e| {
            !e.is_ascii_compatible() && e != encoding_rs::UTF_16LE && e != encoding_rs::UTF_16BE
        })
    };
    if may_switch && label.is_some_and(not_ascii) {
        return Err("the page is not in a superset of ASCII".into());
    }
    Ok(())
}

/// Runs `then` at the element's end tag, but not where a parent's end tag closes it.
fn on_own_end_tag(
    element: &mut Element<'_, '_>,
    name: &'static str,
    then: impl FnOnce(&mut EndTag<'_>) + Send + 'static,
) -> lol_html::HandlerResult {
    if let Some(handlers) = element.end_tag_handlers() {
        handlers.push(Box::new(move |end: &mut EndTag<'_>| {
            if end.name() == name {
                then(end);
            }
            Ok(())
        }));
    }
    Ok(())
}
