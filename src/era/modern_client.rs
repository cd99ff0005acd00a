//! stub
use super::*;
pub struct ModernClient;
impl ModernClient {
    pub fn new(_s: u64) -> ModernClient {
        ModernClient
    }
}
impl Adapter for ModernClient {
    fn from_client(&mut self, _m: &Message, _a: &mut Vec<Action>) {}
    fn from_server(&mut self, _l: Link, _m: &Message, _a: &mut Vec<Action>) {}
    fn wake(&mut self, _t: u64, _a: &mut Vec<Action>) {}
    fn end(&mut self, _a: &mut Vec<Action>) {}
}
