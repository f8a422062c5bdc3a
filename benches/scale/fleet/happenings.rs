//! What happens to processes, and when the others learn of it.

use super::{Event, Fleet, Happening, LOOK_EVERY, NOTICED_AFTER, REAPED_AFTER, seconds};

impl Fleet {
    pub(super) fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Killed(process) => {
                self.goes(process, false);
                self.learn(process, REAPED_AFTER, NOTICED_AFTER, false);
                self.send_again(process);
                self.break_off(process);
            }
            Happening::Silent(process) => {
                self.goes(process, true);
                self.learn(process, REAPED_AFTER, NOTICED_AFTER, false);
                let life = self.processes[process].life;
                let at = self.now + seconds(NOTICED_AFTER);
                self.at(at, Event::CutOff { process, life });
            }
            Happening::Drains(process) => self.processes[process].balanced = false,
            Happening::Leaves(process) => {
                self.goes(process, false);
                self.learn(process, LOOK_EVERY, 0.0, false);
                self.send_again(process);
                self.break_off(process);
            }
            Happening::Back(process) => {
                self.processes[process].turns(true, false);
                self.learn(process, LOOK_EVERY, NOTICED_AFTER, true);
            }
            Happening::Slow(process, times) => self.processes[process].slow = times,
            Happening::Rate(times) => self.rate = times,
            Happening::Favours(process, part) => self.favour = Some((process, part)),
        }
    }

    fn goes(&mut self, process: usize, silent: bool) {
        self.processes[process].turns(false, silent);
        self.asked[process].fill(0);
        self.failed[process].fill(None);
    }

    fn learn(&mut self, process: usize, who_ask: f64, who_call: f64, there: bool) {
        let life = self.processes[process].life;
        let (asking, calling) = (self.now + seconds(who_ask), self.now + seconds(who_call));
        self.at(asking, Event::Listed { process, life, there });
        self.at(calling, Event::Balanced { process, life, there });
    }

    /// Those who called the process call another.
    pub(super) fn send_again(&mut self, process: usize) {
        for place in 0..self.calls.len() {
            let call = &self.calls[place];
            if call.is_open && call.home == process {
                self.again((place as u32, call.life), 0.0);
            }
        }
    }

    /// Those who asked the process learn that their line broke.
    fn break_off(&mut self, process: usize) {
        for place in 0..self.calls.len() {
            let call = &self.calls[place];
            if !call.is_open || call.home == process {
                continue;
            }
            let id = (place as u32, call.life);
            let mut broken = Vec::new();
            for (asking, state) in call.askings.iter().enumerate().filter(|(_, state)| !state.done)
            {
                let open = state.asked.iter().enumerate().filter(|(_, question)| question.open);
                let on_it = open.filter(|(_, question)| question.process == process);
                broken.extend(on_it.map(|(place, _)| (asking, place)));
            }
            for (asking, place) in broken {
                let way = self.pass();
                self.after(way, Event::Told { id, asking, place, ok: false });
            }
        }
    }
}
