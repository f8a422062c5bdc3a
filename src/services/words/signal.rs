//! Signals, between the wire and the core.

use crate::core::advice::AdviceType;
use crate::core::bank::{BankedSignal, FRAMES_PER_ENTRY_MAX, SIGNALS_PER_ENTRY_MAX};
use crate::core::signal::{CustomType, Signal, SignalType};
use crate::core::verdict::{Dihedral, Form};
use crate::proto::v1;
use crate::services::words::fields::{Fields, within};
use std::collections::HashSet;
use std::time::Duration;

/// A signal as a caller sent it.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Type and value.
    pub signal: Signal,
    /// Quality of a perceptual hash, 0 to 100, where the caller said it.
    pub quality: Option<u32>,
    /// How the picture was changed before hashing.
    pub form: Form,
    /// How the hash was turned.
    pub dihedral: Dihedral,
    /// Place in a video, where the caller said it.
    pub offset: Option<Duration>,
}

const NOT_COMPARED: &str = "must be a type that is compared: MD5, SHA1, SHA256, PDQ, VPDQ_FRAME, \
                            PHOTODNA, URL, TERM, ACCOUNT, TACTIC or a custom_type";

/// Reads a type: exactly one of the two fields names it.
pub fn read_type(fields: &mut Fields, path: &str, number: i32, custom: &str) -> Option<SignalType> {
    use v1::SignalType as Wire;
    let type_path = within(path, "type");
    if !custom.is_empty() {
        if number != 0 {
            fields.fault(type_path, "must be left out where custom_type is given");
            return None;
        }
        let name = fields.read(within(path, "custom_type"), CustomType::parse(custom))?;
        return Some(SignalType::Custom(name));
    }
    match Wire::try_from(number) {
        Ok(Wire::Md5) => Some(SignalType::Md5),
        Ok(Wire::Sha1) => Some(SignalType::Sha1),
        Ok(Wire::Sha256) => Some(SignalType::Sha256),
        Ok(Wire::Pdq) => Some(SignalType::Pdq),
        Ok(Wire::VpdqFrame) => Some(SignalType::VpdqFrame),
        Ok(Wire::Photodna) => Some(SignalType::PhotoDna),
        Ok(Wire::Url) => Some(SignalType::Advice(AdviceType::Url)),
        Ok(Wire::Term) => Some(SignalType::Advice(AdviceType::Term)),
        Ok(Wire::Account) => Some(SignalType::Advice(AdviceType::Account)),
        Ok(Wire::Tactic) => Some(SignalType::Advice(AdviceType::Tactic)),
        Ok(Wire::Unspecified) => {
            fields.fault(type_path, "must be set");
            None
        }
        Ok(Wire::TmkPdqf) | Err(_) => {
            fields.fault(type_path, NOT_COMPARED);
            None
        }
    }
}

/// Writes a type as its two fields.
#[must_use]
pub fn write_type(kind: &SignalType) -> (v1::SignalType, String) {
    use v1::SignalType as Wire;
    let wire = match kind {
        SignalType::Md5 => Wire::Md5,
        SignalType::Sha1 => Wire::Sha1,
        SignalType::Sha256 => Wire::Sha256,
        SignalType::Pdq => Wire::Pdq,
        SignalType::VpdqFrame => Wire::VpdqFrame,
        SignalType::PhotoDna => Wire::Photodna,
        SignalType::Advice(AdviceType::Url) => Wire::Url,
        SignalType::Advice(AdviceType::Term) => Wire::Term,
        SignalType::Advice(AdviceType::Account) => Wire::Account,
        SignalType::Advice(AdviceType::Tactic) => Wire::Tactic,
        SignalType::Custom(name) => return (Wire::Unspecified, name.as_str().to_owned()),
    };
    (wire, String::new())
}

/// Reads a form; what is not known is taken as the form that banks hold.
#[must_use]
pub fn read_form(number: i32) -> Form {
    match v1::Form::try_from(number) {
        Ok(v1::Form::Oriented) => Form::Oriented,
        Ok(v1::Form::Trimmed) => Form::Trimmed,
        Ok(v1::Form::OnWhite) => Form::OnWhite,
        Ok(v1::Form::OnBlack) => Form::OnBlack,
        Ok(v1::Form::Canonical | v1::Form::Unspecified) | Err(_) => Form::Canonical,
    }
}

/// Writes a form.
#[must_use]
pub const fn write_form(form: Form) -> v1::Form {
    match form {
        Form::Canonical => v1::Form::Canonical,
        Form::Oriented => v1::Form::Oriented,
        Form::Trimmed => v1::Form::Trimmed,
        Form::OnWhite => v1::Form::OnWhite,
        Form::OnBlack => v1::Form::OnBlack,
    }
}

/// Reads a symmetry; what is not known is taken as unchanged.
#[must_use]
pub fn read_dihedral(number: i32) -> Dihedral {
    use v1::Dihedral as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Rotated90) => Dihedral::Rotated90,
        Ok(Wire::Rotated180) => Dihedral::Rotated180,
        Ok(Wire::Rotated270) => Dihedral::Rotated270,
        Ok(Wire::Flipped) => Dihedral::Flipped,
        Ok(Wire::Mirrored) => Dihedral::Mirrored,
        Ok(Wire::Transposed) => Dihedral::Transposed,
        Ok(Wire::AntiTransposed) => Dihedral::AntiTransposed,
        Ok(Wire::Original | Wire::Unspecified) | Err(_) => Dihedral::Original,
    }
}

/// Writes a symmetry.
#[must_use]
pub const fn write_dihedral(dihedral: Dihedral) -> v1::Dihedral {
    use v1::Dihedral as Wire;
    match dihedral {
        Dihedral::Original => Wire::Original,
        Dihedral::Rotated90 => Wire::Rotated90,
        Dihedral::Rotated180 => Wire::Rotated180,
        Dihedral::Rotated270 => Wire::Rotated270,
        Dihedral::Flipped => Wire::Flipped,
        Dihedral::Mirrored => Wire::Mirrored,
        Dihedral::Transposed => Wire::Transposed,
        Dihedral::AntiTransposed => Wire::AntiTransposed,
    }
}

/// Reads a signal.
pub fn read(fields: &mut Fields, path: &str, sent: &v1::Signal) -> Option<Sent> {
    use v1::signal::Value;
    let kind = read_type(fields, path, sent.r#type, &sent.custom_type);
    let quality = sent.quality.filter(|quality| *quality > 100);
    if quality.is_some() {
        fields.fault(within(path, "quality"), "must be from 0 to 100");
    }
    let Some(value) = &sent.value else {
        fields.fault(within(path, "value"), "must be set, as text or binary");
        return None;
    };
    let kind = kind?;
    let signal = match value {
        Value::Text(text) => fields.read(within(path, "text"), Signal::parse(&kind, text)),
        Value::Binary(bytes) => {
            fields.read(within(path, "binary"), Signal::from_bytes(&kind, bytes))
        }
    }?;
    quality.is_none().then_some(Sent {
        signal,
        quality: sent.quality,
        form: read_form(sent.form),
        dihedral: read_dihedral(sent.dihedral),
        offset: sent.offset.and_then(|offset| Duration::try_from(offset).ok()),
    })
}

/// Reads a list of signals of `1..=most` elements.
pub fn read_list(
    fields: &mut Fields,
    path: &str,
    sent: &[v1::Signal],
    most: usize,
) -> Option<Vec<Sent>> {
    fields.count(path, sent.len(), 1, most);
    let read: Vec<_> = sent
        .iter()
        .take(most)
        .enumerate()
        .map(|(place, signal)| read(fields, &format!("{path}[{place}]"), signal))
        .collect();
    read.into_iter().collect()
}

/// Reads the signals of an entry: each value once, but for frames, of which each place counts.
pub fn read_banked(
    fields: &mut Fields,
    path: &str,
    sent: &[v1::Signal],
) -> Option<Vec<BankedSignal>> {
    let is_frame = |sent: &&v1::Signal| sent.r#type == i32::from(v1::SignalType::VpdqFrame);
    let frames = sent.iter().filter(is_frame).count();
    if frames > FRAMES_PER_ENTRY_MAX {
        fields.fault(path, format!("must have at most {FRAMES_PER_ENTRY_MAX} frames"));
        return None;
    }
    let read = read_list(fields, path, sent, SIGNALS_PER_ENTRY_MAX + frames)?;
    let mut known = HashSet::with_capacity(read.len());
    let banked = read.into_iter().filter_map(|one| {
        let is_frame = one.signal.kind() == SignalType::VpdqFrame;
        let at = one.offset.filter(|_| is_frame).map(millis);
        let is_new = known.insert((one.signal.clone(), at));
        is_new.then_some(BankedSignal { signal: one.signal, quality: one.quality, at })
    });
    Some(banked.collect())
}

/// A place in a video, in milliseconds.
#[must_use]
pub fn millis(offset: Duration) -> u32 {
    u32::try_from(offset.as_millis()).unwrap_or(u32::MAX)
}

/// Writes a signal that the caller's own bytes gave: the one way in which a value leaves the service.
#[must_use]
pub fn write(signal: &Signal, quality: Option<u32>, form: Form, dihedral: Dihedral) -> v1::Signal {
    let (kind, custom_type) = write_type(&signal.kind());
    v1::Signal {
        r#type: kind.into(),
        custom_type,
        value: Some(v1::signal::Value::Text(signal.text())),
        quality,
        offset: None,
        form: write_form(form).into(),
        dihedral: write_dihedral(dihedral).into(),
    }
}
