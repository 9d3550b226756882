// Devices from descriptions. Device memory is reserved in the physical address space, so that no
// frame of it is handed out as something else; each page of an array holds bytes that tell which
// one it is.
#include "scenario/build_drivers.hpp"

#include "kernel/drivers/char/mem.hpp"
#include "kernel/fs/inode.hpp"

namespace faultline {

namespace {

constexpr std::uint64_t every_byte = 0x0101010101010101;

void fill_page(Kernel& k, Pfn pfn, std::uint64_t index) {
  const std::uint64_t byte = (0x40 + index) & 0xff;
  k.dram.fill(pfn.v << PAGE_SHIFT, PAGE_SIZE, byte * every_byte);
}

void make_bad(Kernel& k, char_device& device, const BadPageAt& bad) {
  folio*& page = device.pages[bad.index];
  switch (bad.kind) {
    case BadPage::ref0:
      page->refs = 0;
      break;
    case BadPage::slab:
      page->typed = true;
      break;
    case BadPage::zero:
      k.folios.drop(*page);
      page = &k.folios.make_page(Pfn(0));  // the firmware's frame: nobody maps it
      page->pfn = k.zero_pfn;
      break;
    case BadPage::duplicate:
      page = device.pages.front();
      break;
  }
}

void build_pages(Kernel& k, char_device& device) {
  const CharDescription& d = *device.what;
  for (std::uint64_t i = 0; i < d.page_count; ++i) {
    const Pfn pfn = *k.frames.alloc();
    device.pages.push_back(&k.folios.make_page(pfn));
    fill_page(k, pfn, i);
  }
  for (const BadPageAt& bad : d.bad_pages) make_bad(k, device, bad);
}

// A file that the device below is opened through, when no declared one is there.
inode& hidden_inode(Kernel& k, char_device& device) {
  inode& node = k.inodes.emplace_back();
  node.index = k.next_kernel_inode++;
  node.i_ino = Ino(node.index);
  node.name = device.name;
  node.type = InodeType::character;
  node.i_fop = &operations_of(device);
  node.i_cdev = &device;
  init_inode_locks(k, node);
  return node;
}

inode& inode_of(const Scenario& scenario, Kernel& k, std::uint32_t device, char_device& made,
                const std::vector<inode*>& inodes) {
  for (std::size_t f = 0; f < scenario.files.size(); ++f) {
    const FileSpec& file = scenario.files[f];
    if (file.type == FileType::character && file.device.v == device) return *inodes[f];
  }
  return hidden_inode(k, made);
}

file& open_in_kernel(Kernel& k, inode& node) {
  file& opened = k.files.emplace_back();
  opened.f_inode = &node;
  opened.f_op = node.i_fop;
  opened.f_mode = FMODE_READ | FMODE_WRITE;
  opened.f_count = 1;
  ++node.i_count;
  return opened;
}

}  // namespace

const file_operations& operations_of(const char_device& device) {
  switch (device.what->preset) {
    case DriverPreset::dev_null:
      return null_fops;
    case DriverPreset::dev_zero:
      return zero_fops;
    case DriverPreset::dev_mem:
      return mem_fops;
    default:
      return device.fops;
  }
}

std::vector<char_device*> build_char_devices(const Scenario& scenario, Kernel& k) {
  std::vector<char_device*> devices;
  for (const DeviceSpec& spec : scenario.devices) {
    const auto* const described = std::get_if<CharSpec>(&spec.what);
    devices.push_back(described ? &k.char_devices.emplace_back() : nullptr);
    if (!described) continue;
    char_device& device = *devices.back();
    device.what = &described->driver;
    device.name = spec.name;
    device.first_pfn = Pfn(device.what->phys_at >> PAGE_SHIFT);
    k.frames.reserve(device.first_pfn, (device.what->phys_size + PAGE_SIZE - 1) >> PAGE_SHIFT);
    init_char_device(k, device);
  }
  for (char_device* const device : devices) {
    if (device) build_pages(k, *device);
  }
  return devices;
}

void connect_char_devices(const Scenario& scenario, Kernel& k,
                          const std::vector<char_device*>& devices,
                          const std::vector<inode*>& inodes) {
  for (char_device* const device : devices) {
    if (!device) continue;
    const CharDescription& d = *device->what;
    if (d.inner < devices.size() && devices[d.inner]) {
      device->inner = devices[d.inner];
      inode& below = inode_of(scenario, k, d.inner, *device->inner, inodes);
      device->inner_file = &open_in_kernel(k, below);
    }
    if (d.replace_file < inodes.size()) {
      device->replacement = &open_in_kernel(k, *inodes[d.replace_file]);
    }
  }
}

}  // namespace faultline
