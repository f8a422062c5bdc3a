//! Hash sets and cases of Project VIC, versions 1.x and 2.0 of its data model.
//!
//! A record is a piece of media, named by its number in the file. What a category means depends on the country whose
//! model the file follows: the operator says so, or the file is not read.

use crate::core::exchange_file::category::{CategoryTable, NO_MODEL};
use crate::core::exchange_file::item::Item;
use crate::core::exchange_file::loose::{Loose, read, some};
use crate::core::exchange_file::out::Out;
use crate::core::exchange_file::split::{Level, Visit, Way};
use crate::core::exchange_file::words::{BadFile, VicsPage};
use crate::core::opinion::Value;
use crate::core::signal::SignalType;
use serde::Deserialize;

/// What media without a category count as: not yet categorised.
const NO_CATEGORY: i64 = 0;

/// Where the reading of a file is.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Whether media lie in cases; not known before the file has said so.
    has_cases: Option<bool>,
    was_listed: bool,
    cases: u64,
    case: Option<String>,
}

/// What is told of the values of a file.
pub(super) struct Vics<'a> {
    pub(super) out: &'a mut Out,
    pub(super) page: &'a mut VicsPage,
    pub(super) state: &'a mut State,
    pub(super) table: &'a CategoryTable,
}

/// Where a value stands.
enum At {
    Root,
    Context,
    List,
    /// A case, in the list of a file of cases.
    Case,
    CaseName,
    MediaList,
    Media,
    Other,
}

impl Vics<'_> {
    fn at(&self, path: &[Level]) -> At {
        let key = |place: usize| path.get(place).map_or("", |level| level.key.as_str());
        let has_cases = self.state.has_cases == Some(true);
        match (path.len(), key(0)) {
            (0, _) => At::Root,
            (1, "@odata.context" | "odata.metadata" | "odata.context") => At::Context,
            (1, "value") => At::List,
            (2, "value") if has_cases => At::Case,
            (2, "value") => At::Media,
            (3, "value") if key(2) == "Media" => At::MediaList,
            (3, "value") if matches!(key(2), "CaseID" | "CaseNumber") => At::CaseName,
            (4, "value") if key(2) == "Media" => At::Media,
            _ => At::Other,
        }
    }
}

impl Visit for Vics<'_> {
    fn way(&mut self, path: &[Level], first: u8) -> Result<Way, BadFile> {
        let is_open = matches!(first, b'{' | b'[');
        match self.at(path) {
            At::Root if first != b'{' => {
                Err(BadFile::NotThis("a JSON object with the field value"))
            }
            At::Root => Ok(Way::Into),
            At::Context => Ok(Way::Keep),
            At::List => {
                if self.state.has_cases.is_none() {
                    return Err(BadFile::NoModel);
                }
                if std::mem::replace(&mut self.state.was_listed, true) {
                    return Err(BadFile::Twice("value"));
                }
                Ok(if is_open { Way::Into } else { Way::Keep })
            }
            At::Case => {
                (self.state.cases, self.state.case) = (self.state.cases + 1, None);
                Ok(if is_open { Way::Into } else { Way::Keep })
            }
            At::MediaList => Ok(if is_open { Way::Into } else { Way::Skip }),
            At::CaseName => Ok(Way::Keep),
            At::Media => {
                self.out.begin();
                Ok(Way::Keep)
            }
            At::Other => Ok(Way::Skip),
        }
    }

    fn value(&mut self, path: &[Level], value: Result<&[u8], String>) -> Result<(), BadFile> {
        match self.at(path) {
            At::Context => self.context(value),
            At::CaseName => {
                let name = value.and_then(read::<Loose>).ok().and_then(|name| name.text());
                self.state.case = self.state.case.take().or(name);
                Ok(())
            }
            At::Media => {
                if let Err(must) =
                    value.and_then(read::<Media>).and_then(|media| self.media(&media))
                {
                    self.out.refuse(must);
                }
                Ok(())
            }
            At::Case => {
                self.out.begin();
                self.out.refuse("must be a case: a JSON object with the field Media");
                Ok(())
            }
            _ => Err(BadFile::NotThis("a JSON object whose field value is an array")),
        }
    }

    fn left(&mut self, _: &[Level]) -> Result<(), BadFile> {
        Ok(())
    }

    fn torn(&mut self) {
        self.out.place += 1;
        self.out.refuse("must be JSON, with nothing between its records");
    }
}

impl Vics<'_> {
    /// Reads by what model the file goes: `…/DataModels/2.0.xml/US/$metadata#Media`.
    fn context(&mut self, value: Result<&[u8], String>) -> Result<(), BadFile> {
        if self.state.has_cases.is_some() {
            return Err(BadFile::Twice("odata.context"));
        }
        let text = value.and_then(read::<Loose>).ok().and_then(|text| text.text());
        let text = text.ok_or(BadFile::NoModel)?;
        let (address, fragment) = text.split_once('#').ok_or(BadFile::NoModel)?;
        let mut parts = address.split('/').skip_while(|part| version(part).is_none());
        let version = parts.next().and_then(version).ok_or(BadFile::NoModel)?;
        let models: Vec<&str> = parts
            .filter(|part| !part.is_empty() && !part.eq_ignore_ascii_case("$metadata"))
            .collect();
        let model = match models.as_slice() {
            [] => NO_MODEL,
            [model] => model,
            _ => return Err(BadFile::NoModel),
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if model.len() > 32 || !model.bytes().all(is_name) {
            return Err(BadFile::NoModel);
        }
        if self.table.of(model).is_none() {
            return Err(BadFile::UnknownModel(model.to_owned()));
        }
        let has_cases = match fragment {
            _ if fragment.eq_ignore_ascii_case("media") => false,
            _ if fragment.eq_ignore_ascii_case("cases") => true,
            _ => return Err(BadFile::NoModel),
        };
        self.state.has_cases = Some(has_cases);
        *self.page = VicsPage { version: version.to_owned(), model: model.to_owned() };
        Ok(())
    }

    fn media(&mut self, media: &Media) -> Result<(), String> {
        let number = media.id.text().ok_or("MediaID must be set")?;
        let key = match self.state.has_cases {
            Some(true) => {
                let case = self.state.case.clone();
                format!("{}/{number}", case.unwrap_or_else(|| format!("#{}", self.state.cases)))
            }
            _ => number,
        };
        let mut item = Item::default();
        let updated = media.updated.time();
        if updated.is_none() && !media.updated.is_none() {
            item.fault("DateUpdated must be a time of RFC 3339");
        }
        let number = match &media.category {
            none if none.is_none() => NO_CATEGORY,
            some => some.number().ok_or("Category must be a whole number or none")?,
        };
        let category = self.table.of(&self.page.model).and_then(|model| model.get(&number));
        let Some(category) = category else {
            self.out.count("category", &number.to_string());
            return Ok(());
        };
        if !category.is_taken {
            self.out.withdraw(&key, updated);
            return Ok(());
        }
        item.organisation(&self.page.model);
        item.classification(&category.class);
        media.signals(self.out, &mut item);
        media.labels(&mut item);
        if media.is_suspected.is_yes() {
            item.opinion(&self.page.model, Value::Seed, &["suspected"], None);
        }
        self.out.give(&key, updated, item);
        Ok(())
    }
}

fn version(part: &str) -> Option<&str> {
    let version = part.strip_suffix(".xml")?;
    let is_number = |text: &str| (1..=3).contains(&text.len()) && text.parse::<u16>().is_ok();
    let (major, minor) = version.split_once('.')?;
    (matches!(major, "1" | "2") && is_number(minor)).then_some(version)
}

/// The fields of a piece of media that are looked at. Names, paths and camera data of files are not: they are of persons,
/// and nothing is matched by them.
#[derive(Deserialize)]
struct Media {
    #[serde(rename = "MediaID", default)]
    id: Loose,
    #[serde(rename = "Category", default)]
    category: Loose,
    #[serde(rename = "MD5", default)]
    md5: Loose,
    #[serde(rename = "SHA1", default)]
    sha1: Loose,
    #[serde(rename = "SHA256", default)]
    sha256: Loose,
    #[serde(rename = "PhotoDNA", default)]
    photodna: Loose,
    #[serde(rename = "DateUpdated", default)]
    updated: Loose,
    #[serde(rename = "VictimIdentified", default)]
    victim_identified: Loose,
    #[serde(rename = "OffenderIdentified", default)]
    offender_identified: Loose,
    #[serde(rename = "IsDistributed", default)]
    is_distributed: Loose,
    #[serde(rename = "IsSuspected", default)]
    is_suspected: Loose,
    #[serde(rename = "Series", default)]
    series: Loose,
    #[serde(rename = "Tags", default)]
    tags: Loose,
    #[serde(rename = "AlternativeHashes", default, deserialize_with = "some")]
    others: Vec<OtherHash>,
    #[serde(rename = "MediaFiles", default, deserialize_with = "some")]
    files: Vec<MediaFile>,
}

#[derive(Deserialize)]
struct OtherHash {
    #[serde(rename = "HashName", default)]
    name: Loose,
    #[serde(rename = "HashValue", default)]
    value: Loose,
}

#[derive(Deserialize)]
struct MediaFile {
    #[serde(rename = "MD5", default)]
    md5: Loose,
}

impl Media {
    fn signals(&self, out: &mut Out, item: &mut Item) {
        let known = [
            ("MD5", SignalType::Md5, &self.md5),
            ("SHA1", SignalType::Sha1, &self.sha1),
            ("SHA256", SignalType::Sha256, &self.sha256),
            ("PhotoDNA", SignalType::PhotoDna, &self.photodna),
        ];
        for (name, kind, value) in known {
            match value.text() {
                Some(text) => item.signal(name, &kind, &text),
                None if value.is_none() => {}
                None => item.fault(format!("{name} must be a text")),
            }
        }
        for other in &self.others {
            let (Some(name), Some(value)) = (other.name.text(), other.value.text()) else {
                continue;
            };
            take_other(out, item, &name, &value);
        }
        // The files of a piece of media are copies of it: they say something new only where it says nothing itself.
        if self.md5.is_none() {
            for md5 in self.files.iter().filter_map(|file| file.md5.text()) {
                item.signal("MD5", &SignalType::Md5, &md5);
            }
        }
    }

    fn labels(&self, item: &mut Item) {
        let marks = [
            ("victim_identified", &self.victim_identified),
            ("offender_identified", &self.offender_identified),
            ("distributed", &self.is_distributed),
        ];
        for (label, _) in marks.iter().filter(|(_, mark)| mark.is_yes()) {
            item.tag(label);
        }
        if let Some(series) = self.series.text() {
            item.tag(&format!("series: {series}"));
        }
        for tag in self.tags.text().unwrap_or_default().split([',', ';']) {
            item.tag(tag);
        }
    }
}

fn take_other(out: &mut Out, item: &mut Item, name: &str, value: &str) {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let kind = match plain.to_ascii_lowercase().as_str() {
        "md5" => SignalType::Md5,
        "sha1" => SignalType::Sha1,
        "sha256" => SignalType::Sha256,
        "pdq" => SignalType::Pdq,
        "photodna" | "pdna" => SignalType::PhotoDna,
        _ => {
            let name = name.trim().to_ascii_lowercase().replace(['-', ' '], "_");
            out.count("signal type", &name);
            item.opaque(&name, value);
            return;
        }
    };
    item.signal(&kind.to_string(), &kind, value);
}
