// A SoapySDR receiver that needs no radio: a tone and noise, and failures told by the device string.
//
// It aborts the process where it is misused (read while closing, read after closing), as real drivers crash.
// Failures that count reads count from the opening of the device; `bad_opens=N` limits them to the first N
// openings of the same `case`.

#include <SoapySDR/Device.hpp>
#include <SoapySDR/Registry.hpp>

#include <atomic>
#include <chrono>
#include <cmath>
#include <complex>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>

using SoapySDR::Kwargs;
using Clock = std::chrono::steady_clock;

namespace {

const long long kFirstStampNs = 1000000000000LL;

std::mutex openings_mutex;
std::map<std::string, int> openings;

[[noreturn]] void misused(const char *how) {
    std::fprintf(stderr, "bandwatchtest misused: %s\n", how);
    std::abort();
}

class TestReceiver : public SoapySDR::Device {
public:
    explicit TestReceiver(const Kwargs &args) : args_(args) {
        std::lock_guard<std::mutex> lock(openings_mutex);
        const int opening = ++openings[text("case", "")];
        note("open " + std::to_string(opening));
        if (opening >= number("absent_from", 1e9) && opening <= number("absent_to", 1e9))
            throw std::runtime_error("no such device on the bus");
        if (text("kind", "") == "absent") throw std::runtime_error("no such device on the bus");
        bad_ = opening <= number("bad_opens", 1e9);
        bare_ = flag("bare") || text("kind", "") == "bare";
    }

    ~TestReceiver() override {
        if (reading_) misused("device closed while it is read");
        note("unmake");
    }

    std::string getDriverKey() const override { return "bandwatchtest"; }
    std::string getHardwareKey() const override { return "virtual"; }
    Kwargs getHardwareInfo() const override { return {{"serial", text("serial", "1")}}; }
    size_t getNumChannels(const int direction) const override {
        if (text("kind", "") == "mute") throw std::runtime_error("the bus is gone");
        if (text("kind", "") == "transmitter") return 0;
        return direction == SOAPY_SDR_RX ? 2 : 0;
    }

    // Streams

    std::vector<std::string> getStreamFormats(const int, const size_t) const override {
        if (bare_) return {};
        return {text("format", "CF32")};
    }

    SoapySDR::Stream *setupStream(
        const int, const std::string &format, const std::vector<size_t> &channels, const Kwargs &) override {
        note("setup " + format + " " + std::to_string(channels.at(0)));
        if (bad_ && flag("throw_setup")) throw std::runtime_error("no bandwidth left on the bus");
        if (bad_ && flag("null_stream")) return nullptr;
        stream_open_ = true;
        return reinterpret_cast<SoapySDR::Stream *>(this);
    }

    void closeStream(SoapySDR::Stream *) override {
        if (reading_) misused("stream closed while it is read");
        if (!stream_open_) misused("stream closed twice");
        stream_open_ = false;
        note("close");
        if (flag("throw_cleanup")) throw std::runtime_error("cannot close");
    }

    size_t getStreamMTU(SoapySDR::Stream *) const override { return static_cast<size_t>(number("mtu", 4096)); }

    int activateStream(SoapySDR::Stream *, const int, const long long, const size_t) override {
        note("activate");
        started_ = Clock::now();
        return bad_ ? static_cast<int>(number("activate_code", 0)) : 0;
    }

    int deactivateStream(SoapySDR::Stream *, const int, const long long) override {
        note("deactivate");
        if (flag("throw_cleanup")) throw std::runtime_error("cannot deactivate");
        return 0;
    }

    int readStream(
        SoapySDR::Stream *, void *const *buffers, const size_t size, int &flags, long long &time_ns,
        const long timeout_us) override {
        if (!stream_open_) misused("read after closing");
        if (reading_.exchange(true)) misused("two reads at once");
        struct Done {
            std::atomic<bool> &reading;
            ~Done() { reading = false; }
        } done{reading_};
        return read(static_cast<std::complex<float> *>(buffers[0]), size, flags, time_ns, timeout_us);
    }

    // Settings

    std::vector<std::string> listAntennas(const int, const size_t) const override {
        if (bare_) return {};
        return {"RX", "TX/RX"};
    }
    void setAntenna(const int, const size_t, const std::string &name) override { note("antenna " + name); }

    SoapySDR::RangeList getSampleRateRange(const int, const size_t) const override {
        if (bare_) return {};
        return {{250e3, 1e6}, {2e6, 3.2e6}};
    }
    void setSampleRate(const int, const size_t, const double rate) override {
        if (flag("throw_rate")) throw std::runtime_error("clock is not locked");
        rate_ = std::round(rate / 1e3) * 1e3;
    }
    double getSampleRate(const int, const size_t) const override {
        if (flag("throw_state")) throw std::runtime_error("the bus is gone");
        return flag("zero_rate") ? 0 : rate_;
    }

    SoapySDR::RangeList getBandwidthRange(const int, const size_t) const override {
        if (bare_) return {};
        return {{200e3, 200e3}, {1.75e6, 1.75e6}};
    }
    void setBandwidth(const int, const size_t, const double hz) override {
        note("bandwidth " + std::to_string(static_cast<long>(hz)));
    }

    SoapySDR::RangeList getFrequencyRange(const int, const size_t) const override {
        if (bare_) return {};
        return {{24e6, 1766e6}};
    }
    void setFrequency(const int, const size_t, const double hz, const Kwargs &) override {
        center_ = std::round(hz / 100) * 100;
    }
    double getFrequency(const int, const size_t) const override { return center_; }

    bool hasGainMode(const int, const size_t) const override { return !bare_; }
    void setGainMode(const int, const size_t, const bool automatic) override {
        automatic_ = automatic;
        note(automatic ? "gain automatic" : "gain manual");
    }
    std::vector<std::string> listGains(const int, const size_t) const override {
        if (bare_) return {};
        return {"LNA", "VGA"};
    }
    SoapySDR::Range getGainRange(const int, const size_t) const override {
        return bare_ ? SoapySDR::Range() : SoapySDR::Range(0, 50);
    }
    SoapySDR::Range getGainRange(const int, const size_t, const std::string &name) const override {
        return name == "LNA" ? SoapySDR::Range(0, 30) : SoapySDR::Range(0, 20);
    }
    void setGain(const int, const size_t, const double db) override { gain_ = std::round(db); }
    void setGain(const int, const size_t, const std::string &name, const double db) override {
        stages_[name] = db;
        gain_ = stages_["LNA"] + stages_["VGA"];
    }
    double getGain(const int, const size_t) const override { return gain_; }

    SoapySDR::ArgInfoList getSettingInfo() const override {
        if (bare_) return {};
        SoapySDR::ArgInfo bias, correction;
        bias.key = "biastee";
        bias.type = SoapySDR::ArgInfo::BOOL;
        bias.options = {"true", "false"};
        correction.key = "correction_ppm";
        correction.type = SoapySDR::ArgInfo::FLOAT;
        correction.range = SoapySDR::Range(-100, 100);
        return {bias, correction};
    }
    void writeSetting(const std::string &key, const std::string &value) override {
        note("setting " + key + "=" + value);
    }
    SoapySDR::ArgInfoList getSettingInfo(const int, const size_t) const override {
        if (bare_) return {};
        SoapySDR::ArgInfo notch;
        notch.key = "notch";
        notch.type = SoapySDR::ArgInfo::STRING;
        return {notch};
    }
    void writeSetting(const int, const size_t channel, const std::string &key, const std::string &value) override {
        note("channel " + std::to_string(channel) + " setting " + key + "=" + value);
    }

private:
    int read(
        std::complex<float> *buffer, const size_t size, int &flags, long long &time_ns, const long timeout_us) {
        ++reads_;
        flags = 0;
        if (bad_) {
            if (at("throw_read_at")) throw std::runtime_error("the cable is out");
            if (at("stream_error_at")) return SOAPY_SDR_STREAM_ERROR;
            if (at("unknown_code_at")) return -77;
            if (at("too_many_at")) return static_cast<int>(size) + 1;
            if (at("corruption_at")) return lose(SOAPY_SDR_CORRUPTION);
            if (every("overflow_every")) return lose(SOAPY_SDR_OVERFLOW);
            if (reads_ > number("timeout_after", 1e18)) {
                std::this_thread::sleep_for(std::chrono::microseconds(timeout_us));
                return SOAPY_SDR_TIMEOUT;
            }
            if (at("timeout_at")) return SOAPY_SDR_TIMEOUT;
        }
        if (automatic_ && every("agc_step_every")) gain_ += 3;
        if (at("retune_at")) center_ += 1e6;
        if (at("rerate_at")) rate_ = 2e6;

        const size_t count = std::min(size, static_cast<size_t>(number("short", 1e9)));
        if (flag("paced")) {
            const auto due = started_ + std::chrono::duration<double>((sample_ + count) / rate_);
            std::this_thread::sleep_until(std::chrono::time_point_cast<Clock::duration>(due));
        }
        if (flag("stamps")) {
            flags |= SOAPY_SDR_HAS_TIME;
            time_ns = kFirstStampNs + std::llround(sample_ * 1e9 / rate_);
        }
        fill(buffer, count);
        if (bad_ && every("abrupt_every")) {
            flags |= SOAPY_SDR_END_ABRUPT;
            sample_ += static_cast<long long>(number("lost", 0));
        }
        return static_cast<int>(count);
    }

    void fill(std::complex<float> *buffer, const size_t count) {
        const double cycles_per_sample = number("tone_hz", 0) / rate_;
        const double amplitude = std::pow(10.0, number("tone_dbfs", -20) / 20);
        const double sigma = args_.count("noise_dbfs") ? std::pow(10.0, number("noise_dbfs", 0) / 20) / std::sqrt(2) : 0;
        for (size_t i = 0; i < count; ++i) {
            const double turn = std::fmod(cycles_per_sample * static_cast<double>(sample_++), 1.0);
            std::complex<double> value = std::polar(amplitude, 2 * M_PI * turn);
            if (sigma > 0) value += std::complex<double>(sigma * normal_(random_), sigma * normal_(random_));
            buffer[i] = std::complex<float>(value);
        }
    }

    int lose(const int code) {
        sample_ += static_cast<long long>(number("lost", 0));
        return code;
    }

    bool at(const std::string &key) const { return reads_ == number(key, -1); }
    bool every(const std::string &key) const {
        const auto period = static_cast<long long>(number(key, 0));
        return period > 0 && reads_ % period == 0;
    }
    bool flag(const std::string &key) const { return args_.count(key) != 0; }
    std::string text(const std::string &key, const std::string &otherwise) const {
        const auto found = args_.find(key);
        return found == args_.end() ? otherwise : found->second;
    }
    double number(const std::string &key, const double otherwise) const {
        const auto found = args_.find(key);
        return found == args_.end() ? otherwise : std::stod(found->second);
    }
    void note(const std::string &what) const {
        if (flag("journal")) std::ofstream(text("journal", ""), std::ios::app) << what << "\n";
    }

    const Kwargs args_;
    bool bad_ = true, bare_ = false, automatic_ = true, stream_open_ = false;
    std::atomic<bool> reading_{false};
    double rate_ = 1e6, center_ = 100e6, gain_ = 10;
    std::map<std::string, double> stages_;
    long long reads_ = 0, sample_ = 0;
    Clock::time_point started_;
    std::mt19937 random_{1};
    std::normal_distribution<double> normal_;
};

SoapySDR::KwargsList find(const Kwargs &args) {
    const char *log = std::getenv("BANDWATCHTEST_FINDS");
    if (log != nullptr) std::ofstream(log, std::ios::app) << SoapySDR::KwargsToString(args) << "\n";
    Kwargs found{{"driver", "bandwatchtest"}, {"serial", args.count("serial") ? args.at("serial") : "1"}, {"label", "Test Receiver"}};
    // What `bandwatch devices` opens is what was found, so a find passes on what kind it shall be.
    if (args.count("kind")) found["kind"] = args.at("kind");
    return {found};
}

SoapySDR::Device *make(const Kwargs &args) { return new TestReceiver(args); }

SoapySDR::Registry registration("bandwatchtest", &find, &make, SOAPY_SDR_ABI_VERSION);

}  // namespace
