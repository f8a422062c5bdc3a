//! The NCMEC hash sharing API as the facts say it behaves: entries in no order, links that end, votes.

use super::web::{Asked, Reply, Source};
use bulwark::core::time::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

const NAMESPACE: &str = "https://hashsharing.ncmec.org/hashsharing/v2";
pub const BASE: &str = "/hashsharing";

/// What the source has of one entry now.
#[derive(Debug, Clone)]
pub struct Item {
    /// When it changed last, in seconds.
    pub at: i64,
    /// Its MD5 and SHA-1; nothing where it is deleted.
    pub values: Option<(String, String)>,
    /// Whether it has a fingerprint of a type that nobody knows.
    pub is_odd: bool,
}

/// What is to go wrong with the next questions.
#[derive(Debug, Clone)]
pub enum Fault {
    Status(u16, Option<u64>),
    Cut,
    Stall,
    Says(Vec<u8>),
    Leads(String),
}

/// The source.
pub struct Ncmec {
    /// By member and name.
    pub items: BTreeMap<(u32, String), Item>,
    pub page: usize,
    pub faults: VecDeque<Fault>,
    /// Links that it has given and still knows.
    pub links: BTreeSet<String>,
    pub forgets_links: bool,
    /// Votes by what they are on.
    pub votes: BTreeMap<String, String>,
    pub refuses_votes: bool,
}

impl Ncmec {
    pub fn new(page: usize) -> Self {
        Self {
            items: BTreeMap::new(),
            page,
            faults: VecDeque::new(),
            links: BTreeSet::new(),
            forgets_links: false,
            votes: BTreeMap::new(),
            refuses_votes: false,
        }
    }

    pub fn put(&mut self, member: u32, id: &str, at: i64, md5: &str) {
        let values = Some((md5.to_owned(), sha1_of(md5)));
        self.items.insert((member, id.to_owned()), Item { at, values, is_odd: false });
    }

    pub fn delete(&mut self, member: u32, id: &str, at: i64) {
        let gone = Item { at, values: None, is_odd: false };
        self.items.insert((member, id.to_owned()), gone);
    }

    /// What should be listed in the end, by record, with its MD5.
    pub fn listed(&self) -> BTreeMap<String, String> {
        self.items
            .iter()
            .filter_map(|((member, id), item)| {
                Some((format!("{member}/{id}"), item.values.as_ref()?.0.clone()))
            })
            .collect()
    }

    fn entries(&self, asked: &Asked) -> (Reply, Option<String>) {
        let time = |name: &str| {
            let text = asked.query(name).expect("a range");
            assert!(text.ends_with('Z') && text.len() == 20, "whole seconds of UTC: {text}");
            Time::read(&text).expect("a time").millis() / 1000
        };
        let (from, to) = (time("from"), time("to"));
        let start: usize = asked.query("start").map_or(0, |text| text.parse().expect("a number"));
        let mut found: Vec<_> =
            self.items.iter().filter(|(_, item)| (from..=to).contains(&item.at)).collect();
        // In no order of time, and in the same whenever it is asked.
        found.sort_by_cached_key(|((member, id), _)| md5_of(&format!("{member} {id}")));
        let max = found.len();
        let page = &found[start.min(max)..(start + self.page).min(max)];
        let mut xml =
            format!("<queryResult xmlns=\"{NAMESPACE}\"><images count=\"{}\">", page.len());
        for ((member, id), item) in page {
            let at = Time::from_millis(item.at * 1000).utc();
            let head = format!(
                "<member id=\"{member}\">Member {member}</member><timestamp>{at}</timestamp><id>{id}</id>"
            );
            match &item.values {
                None => write!(xml, "<deletedImage>{head}</deletedImage>"),
                Some((md5, sha1)) => write!(
                    xml,
                    "<image>{head}<classification>A1</classification><fingerprints><md5>{md5}</md5>\
                     <sha1>{sha1}</sha1>{}</fingerprints><feedback/></image>",
                    if item.is_odd { "<futurehash>abc</futurehash>" } else { "" }
                ),
            }
            .expect("written");
        }
        xml.push_str("</images>");
        let next = start + self.page;
        let link = (next < max).then(|| {
            let (from, to) = (asked.query("from").unwrap(), asked.query("to").unwrap());
            let size = self.page;
            format!("/v2/entries?from={from}&to={to}&start={next}&size={size}&max={max}")
        });
        if let Some(link) = &link {
            write!(xml, "<paging><next>{}</next></paging>", link.replace('&', "&amp;")).unwrap();
        }
        xml.push_str("</queryResult>");
        (Reply::of(xml).header("content-type", "application/xml"), link)
    }
}

impl Source for Ncmec {
    fn answer(&mut self, asked: &Asked) -> Reply {
        if asked.header("authorization") != "Basic cGxhdGZvcm06c2VjcmV0" {
            return Reply::status(401);
        }
        let Some(rest) = asked.target.strip_prefix(BASE) else { return Reply::status(404) };
        let mut reply = match self.faults.pop_front() {
            Some(Fault::Status(status, wait)) => {
                let reply = Reply::status(status);
                return match wait {
                    Some(wait) => reply.header("retry-after", wait.to_string()),
                    None => reply,
                };
            }
            Some(Fault::Says(body)) => return Reply::of(body),
            Some(Fault::Leads(to)) => return Reply::status(302).header("location", to),
            Some(Fault::Cut) => Reply { is_cut: true, ..Reply::default() },
            Some(Fault::Stall) => Reply { is_stalled: true, ..Reply::default() },
            None => Reply::default(),
        };
        if rest.starts_with("/v2/entries?") {
            let is_link = asked.query("start").is_some();
            if is_link && (self.forgets_links || !self.links.contains(rest)) {
                return Reply::status(410);
            }
            let (said, link) = self.entries(asked);
            self.links.extend(link);
            (reply.status, reply.headers, reply.body) = (said.status, said.headers, said.body);
            return reply;
        }
        if let Some(kind) = rest.strip_suffix("/reasons") {
            let kind = kind.rsplit('/').next().unwrap_or_default();
            return Reply::of(format!(
                "<availableFeedbackReasons xmlns=\"{NAMESPACE}\"><reason guid=\"0f00-{kind}\" name=\"Not relevant\" \
                 type=\"{kind}\"/><reason guid=\"0f01-{kind}\" name=\"Wrong class\" type=\"{kind}\"/>\
                 </availableFeedbackReasons>"
            ));
        }
        if asked.method == "PUT" && rest.ends_with("/feedback") {
            if self.refuses_votes {
                return Reply::status(404);
            }
            assert_eq!(asked.header("content-type"), "application/xml; charset=utf-8");
            let body = String::from_utf8(asked.body.to_vec()).expect("text");
            self.votes.insert(rest.to_owned(), body);
            return Reply::status(200);
        }
        Reply::status(404)
    }
}

pub fn md5_of(text: &str) -> String {
    hex::encode(<md5::Md5 as md5::Digest>::digest(text))
}

pub fn sha1_of(text: &str) -> String {
    hex::encode(<sha1::Sha1 as sha1::Digest>::digest(text))
}
