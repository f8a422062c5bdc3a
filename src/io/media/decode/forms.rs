//! Every form of a frame that is hashed, for as many frames as the limits allow.

use super::super::limits::MediaLimits;
use super::super::reason::Reason;
use super::Stop;
use super::thumb::thumb;
use crate::core::media::{Picture, Thumb};
use crate::core::pdq::{self, Coarse, Hashed};
use crate::core::raster::{Raster, Rows as _, View};
use crate::core::verdict::Form;

/// Grey levels between the darkest and the lightest place of a filtered picture below which the luma in its file, rounded
/// to whole levels, gave hashes up to six bits from those by its colours.
const CONTRAST_MIN: f32 = 96.0;

/// Hashes the frames of one picture file and hands out each hash at once.
pub(super) struct Forms<'a> {
    limits: &'a MediaLimits,
    tell: &'a mut dyn FnMut(Picture),
    pictures: u32,
    pictures_max: u32,
    frame: u32,
    frames_max: u32,
    at_millis: Option<u32>,
    /// The frame made small, until its first form is told.
    thumbs: Vec<Thumb>,
}

impl<'a> Forms<'a> {
    pub(super) fn new(
        limits: &'a MediaLimits,
        pictures_max: u32,
        tell: &'a mut dyn FnMut(Picture),
    ) -> Self {
        let frames_max = limits.frames_max;
        let (at_millis, thumbs) = (None, Vec::new());
        Self { limits, tell, pictures: 0, pictures_max, frame: 0, frames_max, at_millis, thumbs }
    }

    /// The same from this frame of a video on, whose frames have a limit of their own.
    pub(super) fn of_video(self, frame: u32) -> Self {
        Self { frame, frames_max: self.limits.video.frames_max, ..self }
    }

    /// Says when the next frame is shown.
    pub(super) const fn at(&mut self, millis: u32) {
        self.at_millis = Some(millis);
    }

    /// Hashes that were handed out.
    pub(super) const fn pictures(&self) -> u32 {
        self.pictures
    }

    /// Whether no further frame may be taken.
    pub(super) const fn is_full(&self) -> bool {
        self.frame >= self.frames_max
    }

    /// Hashes the next frame; `orientation` is the EXIF one, 1 to 8.
    pub(super) fn take(&mut self, raster: &Raster, orientation: u8) -> Result<(), Stop> {
        self.begin(raster)?;
        let canonical = raster.view();
        let turned = pdq::hash_turning(&canonical);
        let seen = canonical.oriented(orientation);
        self.make_small(raster, seen);
        self.tell_stored(raster, &turned, orientation)?;
        self.take_trimmed(seen)?;
        self.take_composited(raster, seen)?;
        self.frame += 1;
        Ok(())
    }

    /// Hashes the next frame where its container gives the stored and the upright pixels separately.
    #[cfg(feature = "heic")]
    pub(super) fn take_pair(&mut self, stored: &Raster, upright: &Raster) -> Result<(), Stop> {
        self.begin(stored)?;
        let seen = upright.view();
        self.make_small(stored, seen);
        self.hash(Form::Canonical, &stored.view())?;
        self.hash(Form::Oriented, &seen)?;
        self.take_trimmed(seen)?;
        self.take_composited(stored, seen)?;
        self.frame += 1;
        Ok(())
    }

    /// Hashes the next frame by the luma that its file holds. Its colours are looked at where that is not enough:
    /// where luma has so little contrast that its having been rounded weighs, and where there may be a border
    /// ([`View::may_have_border`]), since whether there is one, and where it ends, is seen in colours.
    pub(super) fn take_luma(
        &mut self,
        luma: &Raster,
        orientation: u8,
        colours: impl FnOnce() -> Result<Raster, Stop>,
    ) -> Result<(), Stop> {
        self.begin(luma)?;
        let turned = pdq::hash_freely(luma);
        if turned.contrast() < CONTRAST_MIN || self.limits.is_made_small(self.frame) {
            return self.take(&colours()?, orientation);
        }
        self.tell_stored(luma, &turned, orientation)?;
        if luma.view().may_have_border(self.limits.border_tolerance) {
            let colours = colours()?;
            self.take_trimmed(colours.view().oriented(orientation))?;
        }
        self.frame += 1;
        Ok(())
    }

    /// Makes a frame small as it is seen, where that is asked for.
    fn make_small(&mut self, raster: &Raster, seen: View<'_>) {
        if !self.limits.is_made_small(self.frame) {
            return;
        }
        let seen = if raster.is_translucent() { seen.composited(255) } else { seen };
        let sizes = self.limits.thumbs.iter();
        self.thumbs = sizes.map(|(width, height)| thumb(&seen, *width, *height)).collect();
    }

    /// Whether there may be a further frame, of this size.
    fn begin(&self, raster: &Raster) -> Result<(), Stop> {
        if self.is_full() {
            Err(Stop::TooLarge(Reason::Frames))
        } else if raster.width() < pdq::SIDE_MIN || raster.height() < pdq::SIDE_MIN {
            Err(Stop::TooSmall)
        } else {
            Ok(())
        }
    }

    /// The stored pixels, and the same turned as they are shown.
    fn tell_stored(
        &mut self,
        raster: &Raster,
        turned: &pdq::Turned,
        orientation: u8,
    ) -> Result<(), Stop> {
        let sides = (raster.width(), raster.height());
        self.tell(Form::Canonical, sides, &turned.upright())?;
        if !matches!(orientation, 2..=8) {
            return Ok(());
        }
        let upright = raster.view().oriented(orientation);
        let sides = (upright.width(), upright.height());
        self.tell(Form::Oriented, sides, &turned.oriented(orientation))
    }

    fn take_trimmed(&mut self, seen: View<'_>) -> Result<(), Stop> {
        match seen.trimmed(self.limits.border_tolerance) {
            Some(trimmed) => self.hash(Form::Trimmed, &trimmed),
            None => Ok(()),
        }
    }

    fn take_composited(&mut self, raster: &Raster, seen: View<'_>) -> Result<(), Stop> {
        if raster.is_translucent() {
            self.hash(Form::OnWhite, &seen.composited(255))?;
            self.hash(Form::OnBlack, &seen.composited(0))?;
        }
        Ok(())
    }

    fn hash(&mut self, form: Form, view: &View<'_>) -> Result<(), Stop> {
        let sides = (view.width(), view.height());
        if sides.0 < pdq::SIDE_MIN || sides.1 < pdq::SIDE_MIN {
            // Only a trimmed form can come here: what is left between wide borders says nothing.
            return Ok(());
        }
        self.tell(form, sides, &pdq::hash_turning(view).upright())
    }

    /// Takes a picture that was hashed from its coefficients as the next frame. False, and nothing is taken, where not
    /// all of its forms may be told.
    pub(super) fn take_coarse(&mut self, coarse: &Coarse) -> bool {
        let forms = 1 + u32::from(coarse.upright.is_some());
        if self.is_full() || self.pictures_max.saturating_sub(self.pictures) < forms {
            return false;
        }
        self.say(Form::Canonical, coarse.sides, &coarse.stored, true);
        if let Some((sides, upright)) = &coarse.upright {
            self.say(Form::Oriented, *sides, upright, true);
        }
        self.frame += 1;
        true
    }

    fn tell(&mut self, form: Form, sides: (u32, u32), hashed: &Hashed) -> Result<(), Stop> {
        if self.pictures >= self.pictures_max {
            return Err(Stop::TooLarge(Reason::Pictures));
        }
        self.say(form, sides, hashed, false);
        Ok(())
    }

    fn say(&mut self, form: Form, sides: (u32, u32), hashed: &Hashed, by_coefficients: bool) {
        self.pictures += 1;
        (self.tell)(Picture {
            form,
            frame: self.frame,
            at_millis: self.at_millis,
            width: sides.0,
            height: sides.1,
            quality: hashed.quality,
            by_coefficients,
            hashes: hashed.hashes,
            thumbs: std::mem::take(&mut self.thumbs),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(width: u32, height: u32) -> Raster {
        let rgb = (0..width * height)
            .flat_map(|i| {
                let (x, y) = (i % width, i / width);
                let value = ((x * x / 7 + y * 5 + x * y / 9) % 251) as u8;
                [value, value / 2, 255 - value]
            })
            .collect();
        Raster::new(width, height, rgb).unwrap()
    }

    #[test]
    fn each_form_is_made_only_where_it_differs() {
        let limits = MediaLimits::default();
        let mut found = Vec::new();
        let mut tell = |picture| found.push(picture);
        let mut forms = Forms::new(&limits, 100, &mut tell);
        forms.take(&drawn(64, 48), 1).unwrap();
        forms.take(&drawn(64, 48), 6).unwrap();
        let alpha = vec![255; 64 * 48];
        forms.take(&drawn(64, 48).with_alpha(alpha.clone()).unwrap(), 1).unwrap();
        let mut hole = alpha;
        hole[..64].fill(0);
        forms.take(&drawn(64, 48).with_alpha(hole).unwrap(), 0).unwrap();
        let made: Vec<_> =
            found.iter().map(|p: &Picture| (p.frame, p.form, p.width, p.height)).collect();
        assert_eq!(
            made,
            [
                (0, Form::Canonical, 64, 48),
                (1, Form::Canonical, 64, 48),
                (1, Form::Oriented, 48, 64),
                (2, Form::Canonical, 64, 48),
                (3, Form::Canonical, 64, 48),
                (3, Form::OnWhite, 64, 48),
                (3, Form::OnBlack, 64, 48),
            ]
        );
    }

    #[test]
    fn frames_and_pictures_end_at_their_limits_and_what_was_found_is_kept() {
        let limits = MediaLimits { frames_max: 2, ..MediaLimits::default() };
        let mut found = 0;
        let mut tell = |_| found += 1;
        let mut forms = Forms::new(&limits, 100, &mut tell);
        for _ in 0..2 {
            forms.take(&drawn(32, 32), 1).unwrap();
        }
        assert_eq!(forms.take(&drawn(32, 32), 1), Err(Stop::TooLarge(Reason::Frames)));
        assert_eq!(forms.pictures(), 2);
        let mut forms = Forms::new(&limits, 1, &mut tell);
        assert_eq!(forms.take(&drawn(32, 32), 3), Err(Stop::TooLarge(Reason::Pictures)));
        assert_eq!(forms.pictures(), 1);
        assert_eq!(found, 3);
    }

    #[test]
    fn a_side_below_five_is_too_small() {
        let limits = MediaLimits::default();
        let mut tell = |_| ();
        let mut forms = Forms::new(&limits, 100, &mut tell);
        assert_eq!(forms.take(&drawn(4, 64), 1), Err(Stop::TooSmall));
        assert_eq!(forms.take(&drawn(5, 5), 1), Ok(()));
    }
}
