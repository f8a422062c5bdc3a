//! An XML element with what it holds, read with its namespace: no document types, no entities but the five.

use crate::core::exchange_file::words::XML_DEPTH_MAX;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

/// Most attributes of an element.
const ATTRIBUTES_MAX: usize = 32;

/// An element.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Its name without a prefix; empty where it is of another namespace.
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    /// Its text, without that of the elements within it.
    pub(super) text: String,
    /// The elements within it.
    pub(super) within: Vec<Self>,
}

impl Node {
    /// The value of an attribute without a prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The only element of that name within it; says so where there are several.
    pub(super) fn only(&self, name: &'static str) -> Result<Option<&Self>, String> {
        let mut found = self.within.iter().filter(|node| node.name == name);
        let first = found.next();
        if found.next().is_some() {
            return Err(format!("must not have the element {name} twice"));
        }
        Ok(first)
    }

    /// The text of the only element of that name, where it has one.
    pub(super) fn text_of(&self, name: &'static str) -> Result<Option<&str>, String> {
        let node = self.only(name)?;
        Ok(node.map(|node| node.text.trim()).filter(|text| !text.is_empty()))
    }
}

/// Reads an element that lies in those whose tags are `heads`, names being of `namespace`; says what it must be.
pub(super) fn read(heads: &[Vec<u8>], text: &[u8], namespace: &str) -> Result<Node, String> {
    let whole: Vec<u8> = heads.iter().flatten().chain(text).copied().collect();
    let whole = std::str::from_utf8(&whole).map_err(|_| "must be UTF-8".to_owned())?;
    let mut reader = NsReader::from_str(whole);
    let mut open: Vec<Node> = Vec::new();
    for place in 0.. {
        let (resolved, event) = reader.read_resolved_event().map_err(|_| not_xml())?;
        let is_own = resolved == ResolveResult::Bound(Namespace(namespace.as_bytes()));
        match event {
            Event::Start(_) if place < heads.len() => {}
            Event::Start(tag) => {
                if open.len() + heads.len() == XML_DEPTH_MAX {
                    return Err(format!("must not be nested more than {XML_DEPTH_MAX} deep"));
                }
                open.push(begun(&tag, is_own)?);
            }
            Event::Empty(tag) => {
                let node = begun(&tag, is_own)?;
                if let Some(whole) = put(&mut open, node) {
                    return Ok(whole);
                }
            }
            Event::End(_) => {
                let node = open.pop().ok_or_else(not_xml)?;
                if let Some(whole) = put(&mut open, node) {
                    return Ok(whole);
                }
            }
            Event::Text(text) => {
                if let Some(node) = open.last_mut() {
                    node.text += &text.decode().map_err(|_| not_xml())?;
                }
            }
            Event::CData(text) => {
                if let Some(node) = open.last_mut() {
                    node.text += &text.decode().map_err(|_| not_xml())?;
                }
            }
            Event::GeneralRef(name) => {
                let Some(node) = open.last_mut() else { return Err(not_xml()) };
                if let Some(char) = name.resolve_char_ref().map_err(|_| not_xml())? {
                    node.text.push(char);
                } else {
                    let name = name.decode().map_err(|_| not_xml())?;
                    let must = "must have no entities but the five of XML";
                    node.text += resolve_xml_entity(&name).ok_or(must)?;
                }
            }
            Event::Comment(_) | Event::PI(_) => {}
            Event::Decl(_) | Event::DocType(_) | Event::Eof => return Err(not_xml()),
        }
    }
    Err(not_xml())
}

/// Reads the last of some tags, each lying in the one before.
pub(super) fn read_tag(heads: &[Vec<u8>], namespace: &str) -> Result<Node, String> {
    let Some((last, heads)) = heads.split_last() else { return Err(not_xml()) };
    let mut tag = last.clone();
    if !tag.ends_with(b"/>") {
        tag.pop();
        tag.extend_from_slice(b"/>");
    }
    read(heads, &tag, namespace)
}

fn not_xml() -> String {
    "must be XML".to_owned()
}

/// Puts an ended element into the one it lies in; gives it back where that is none.
fn put(open: &mut [Node], node: Node) -> Option<Node> {
    match open.last_mut() {
        Some(around) => {
            around.within.push(node);
            None
        }
        None => Some(node),
    }
}

fn begun(tag: &BytesStart<'_>, is_own: bool) -> Result<Node, String> {
    let mut attributes: Vec<(String, String)> = Vec::new();
    // Whether a name comes twice is looked at below, where their number is limited.
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| not_xml())?;
        let name = String::from_utf8_lossy(attribute.key.0).into_owned();
        let must = format!("must have at most {ATTRIBUTES_MAX} attributes, each once");
        if attributes.len() == ATTRIBUTES_MAX || attributes.iter().any(|(key, _)| *key == name) {
            return Err(must);
        }
        let must = "must have no entities but the five of XML";
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| must)?;
        attributes.push((name, value.into_owned()));
    }
    let name = if is_own {
        String::from_utf8_lossy(tag.local_name().as_ref()).into_owned()
    } else {
        String::new()
    };
    Ok(Node { name, attributes, text: String::new(), within: Vec::new() })
}
