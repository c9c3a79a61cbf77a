// The interactive viewer of reports and of `segformer3d view`: NiiVue with a few plain controls around it.
'use strict';

/**
 * Builds a viewer.
 *
 * root: the element to fill. spec: {library, cases: [{name, start, layers: [{name, kind: 'image'|'labels', channels: [{name, source,
 * file}], on}]}], labels: [{value, name, color: [r, g, b]}]}. Of a layer's channels one is shown at a time. A source is {element: id of a
 * script with base64 text} or {url}; the library too, its element holding gzip. The attribute data-state of root says 'loading', 'ready'
 * or 'failed', data-channel which channel of the scan is shown.
 */
function segformerViewer(root, spec) {
  const VIEWS = [
    {name: 'Planes', type: 3, axis: 2},
    {name: 'Axial', type: 0, axis: 2},
    {name: 'Coronal', type: 1, axis: 1},
    {name: 'Sagittal', type: 2, axis: 0},
    {name: '3D', type: 4, axis: -1},
  ];
  const PLANES = ['Sagittal', 'Coronal', 'Axial'];
  let nv = null;
  let current = null;
  let view = VIEWS[0];
  let opacity = 0.5;
  let channel = 0;
  let asked = 0;
  const hidden = new Set();
  const off = new Set();

  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === 'class') element.className = value;
      else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else if (value !== false) element.setAttribute(name, value === true ? '' : value);
    }
    element.append(...children);
    return element;
  };
  const checkbox = (text, checked, swatch, changed) => {
    const input = make('input', {type: 'checkbox', onchange: () => changed(input.checked)});
    input.checked = checked;
    const label = make('label', {}, input);
    if (swatch) label.append(make('span', {class: 'swatch', style: 'background:' + swatch}));
    label.append(text);
    return label;
  };

  const canvas = make('canvas', {tabindex: 0, role: 'img', 'aria-label': 'Interactive view of the scan; its controls are around it'});
  const message = make('p', {class: 'message', role: 'status'});
  const picker = make('select', {'aria-label': 'Case', onchange: () => show(spec.cases[picker.selectedIndex])});
  spec.cases.forEach((one) => picker.append(make('option', {}, one.name)));
  const buttons = VIEWS.map((one) => make('button', {type: 'button', 'aria-pressed': String(one === view), onclick: () => look(one)}, one.name));
  const slider = make('input', {type: 'range', min: 1, max: 1, step: 1, 'aria-label': 'Slice', oninput: () => moveTo(Number(slider.value))});
  const where = make('span', {class: 'where'});
  const sliceControl = make('label', {class: 'slice'}, slider, where);
  const layers = make('div', {class: 'bar under', role: 'group', 'aria-label': 'Layers'});
  const strength = make('input', {type: 'range', min: 0, max: 100, value: 50, oninput: () => { opacity = strength.value / 100; applyLayers(); }});
  const readout = make('output', {});
  root.replaceChildren(
    make('div', {class: 'bar'},
      ...(spec.cases.length > 1 ? [picker] : []),
      make('div', {class: 'choice', role: 'group', 'aria-label': 'View'}, ...buttons),
      sliceControl),
    make('div', {class: 'stage'}, canvas, message),
    layers,
    readout);

  const fail = (text) => {
    message.textContent = text;
    root.dataset.state = 'failed';
  };

  const bytesOf = (id) => {
    const text = atob(document.getElementById(id).textContent.trim());
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  };

  const loadLibrary = async () => {
    if (window.niivue && window.niivue.Niivue) return;
    let url = spec.library.url;
    if (!url) {
      const plain = new Blob([bytesOf(spec.library.element)]).stream().pipeThrough(new DecompressionStream('gzip'));
      url = URL.createObjectURL(new Blob([await new Response(plain).arrayBuffer()], {type: 'text/javascript'}));
    }
    await new Promise((resolve, reject) => {
      document.head.append(make('script', {src: url, onload: resolve, onerror: () => reject(new Error('the viewer could not be loaded'))}));
    });
  };

  const colours = (layer) => {
    const lut = {R: [0], G: [0], B: [0], A: [0], I: [0], labels: ['']};
    for (const label of spec.labels) {
      lut.R.push(label.color[0]);
      lut.G.push(label.color[1]);
      lut.B.push(label.color[2]);
      lut.A.push(hidden.has(label.value) ? 0 : 255);
      lut.I.push(label.value);
      lut.labels.push(label.name);
    }
    return lut;
  };

  const applyLayers = () => {
    if (!nv || !nv.volumes.length) return;
    current.layers.forEach((layer, n) => {
      const visible = !off.has(layer.name);
      if (layer.kind === 'labels') {
        nv.volumes[n].setColormapLabel(colours(layer));
        nv.volumes[n].opacity = visible ? opacity : 0;
      } else {
        // In 3D the scan would hide what is inside of it.
        nv.volumes[n].opacity = !visible ? 0 : view.type === 4 ? 0.15 : 1;
      }
    });
    nv.updateGLVolume();
    root.dataset.shown = current.layers.filter((layer) => !off.has(layer.name)).map((layer) => layer.name)
      .concat(spec.labels.filter((label) => !hidden.has(label.value)).map((label) => label.name)).join(',');
  };

  const slices = () => nv.volumes[0].dimsRAS[view.axis + 1];
  const position = () => Math.min(slices(), Math.floor(nv.scene.crosshairPos[view.axis] * slices()) + 1);

  const showPosition = () => {
    const plane = view.axis >= 0;
    sliceControl.hidden = !plane;
    sliceControl.style.visibility = plane ? 'visible' : 'hidden';
    if (!plane) return;
    slider.max = slices();
    slider.value = position();
    where.textContent = PLANES[view.axis] + ' ' + position() + ' of ' + slices();
    root.dataset.slice = String(position());
  };

  const moveTo = (slice) => {
    const at = [...nv.scene.crosshairPos];
    at[view.axis] = (slice - 0.5) / slices();
    nv.scene.crosshairPos = at;
    nv.createOnLocationChange();
    nv.drawScene();
    showPosition();
  };

  const look = (one) => {
    view = one;
    buttons.forEach((button, n) => button.setAttribute('aria-pressed', String(VIEWS[n] === view)));
    if (!nv || !nv.volumes.length) return;
    nv.setSliceType(view.type);
    applyLayers();
    showPosition();
  };

  const nameOf = (value) => {
    const label = spec.labels.find((one) => one.value === Math.round(value));
    return label ? label.name : Math.round(value) === 0 ? 'none' : String(Math.round(value));
  };

  const located = (data) => {
    showPosition();
    const values = data.values || [];
    readout.textContent = values.map((value, n) => {
      const layer = current.layers[n];
      if (!layer) return '';
      if (layer.kind === 'labels') return layer.name + ': ' + nameOf(value.value);
      return (layer.channels.length > 1 ? shown(layer).name : layer.name) + ': ' + Number(value.value.toPrecision(5));
    }).filter((text) => text).join(' · ');
  };

  const shown = (layer) => layer.channels[Math.min(channel, layer.channels.length - 1)];

  const load = (layer) => {
    const {file, source} = shown(layer);
    const options = {name: file, colormap: 'gray', opacity: layer.kind === 'labels' ? opacity : 1};
    if (layer.kind === 'labels') options.colormapLabel = null;
    return source.url
      ? niivue.NVImage.loadFromUrl({...options, url: new URL(source.url, location.href).href})
      : niivue.NVImage.loadFromBase64({...options, base64: document.getElementById(source.element).textContent.trim()});
  };

  const ready = () => {
    message.textContent = '';
    root.dataset.channel = shown(current.layers[0]).name;
    root.dataset.state = 'ready';
    root.dataset.case = current.name;
  };

  const show = async (one) => {
    const number = ++asked;
    root.dataset.state = 'loading';
    message.textContent = 'Loading ' + one.name + ' …';
    try {
      const images = [];
      for (const layer of one.layers) images.push(await load(layer));
      // Meanwhile something else may have been asked for.
      if (number !== asked) return;
      while (nv.volumes.length) nv.removeVolume(nv.volumes[0]);
      current = one;
      images.forEach((image) => nv.addVolume(image));
      controls();
      nv.setSliceType(view.type);
      applyLayers();
      centre(one);
      ready();
    } catch (error) {
      console.error(error);
      fail('This scan can’t be shown: ' + error.message);
    }
  };

  /** Puts another channel of the scan in the place of the one that is shown. */
  const showChannel = async (index) => {
    channel = index;
    const number = ++asked;
    root.dataset.state = 'loading';
    try {
      const image = await load(current.layers[0]);
      if (number !== asked) return;
      const before = nv.volumes[0];
      const at = [...nv.scene.crosshairPos];
      nv.addVolume(image);
      nv.setVolume(image, 0);
      nv.removeVolume(before);
      nv.scene.crosshairPos = at;
      applyLayers();
      nv.createOnLocationChange();
      nv.drawScene();
      ready();
    } catch (error) {
      console.error(error);
      fail('This channel can’t be shown: ' + error.message);
    }
  };

  /** Begins where the labels are, as far as the case says so. */
  const centre = (one) => {
    nv.scene.crosshairPos = one.start || [0.5, 0.5, 0.5];
    nv.createOnLocationChange();
    nv.drawScene();
    showPosition();
  };

  const controls = () => {
    layers.replaceChildren();
    current.layers.forEach((layer) => {
      layers.append(checkbox(layer.name, !off.has(layer.name), null, (on) => {
        if (on) off.delete(layer.name); else off.add(layer.name);
        applyLayers();
      }));
      if (layer.channels.length > 1) {
        const channels = make('select', {class: 'channel', onchange: () => showChannel(channels.selectedIndex)});
        layer.channels.forEach((one) => channels.append(make('option', {}, one.name)));
        channels.selectedIndex = Math.min(channel, layer.channels.length - 1);
        layers.append(make('label', {}, 'Channel', channels));
      }
    });
    if (spec.labels.length) {
      spec.labels.forEach((label) => layers.append(checkbox(label.name, !hidden.has(label.value), 'rgb(' + label.color.join(',') + ')', (on) => {
        if (on) hidden.delete(label.value); else hidden.add(label.value);
        applyLayers();
      })));
      layers.append(make('label', {}, 'Strength', strength));
    }
  };

  const start = async () => {
    root.dataset.state = 'loading';
    message.textContent = 'Loading …';
    if (!document.createElement('canvas').getContext('webgl2')) {
      fail('This browser can’t draw the viewer: it has no WebGL 2.');
      return;
    }
    try {
      await loadLibrary();
      nv = new niivue.Niivue({
        backColor: [0, 0, 0, 1],
        crosshairColor: [1, 1, 1, 0.55],
        // A share of the scan rather than a voxel, which in small scans would hide what it points at.
        crosshairWidthUnit: 'percent',
        crosshairWidth: 0.5,
        isRadiologicalConvention: true,
        multiplanarShowRender: 1,
        dragAndDropEnabled: false,
        loadingText: '',
        logLevel: 'error',
        onLocationChange: located,
      });
      nv.onLocationChange = located;
      await nv.attachToCanvas(canvas);
      root.viewer = nv;
    } catch (error) {
      console.error(error);
      fail('The viewer can’t start: ' + error.message);
      return;
    }
    spec.cases.forEach((one) => one.layers.forEach((layer) => { if (layer.on === false) off.add(layer.name); }));
    await show(spec.cases[0]);
  };

  // Two megabytes of script and the scans are unpacked only when somebody gets there.
  if ('IntersectionObserver' in window && !spec.eager) {
    new IntersectionObserver((entries, observer) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        observer.disconnect();
        start();
      }
    }, {rootMargin: '200px'}).observe(root);
  } else {
    start();
  }
}
