(()=>{"use strict";
// The shape of webpack's output for a library of k6 scripts: a table of modules, externals by
// require(), exports as getters.
var modules={
  101:(module,exports,load)=>{
    Object.defineProperty(exports,"__esModule",{value:true});
    exports.check=void 0;
    // A built-in metric, defined again: samples go into the same.
    const rate=new(load(902).Rate)("checks");
    exports.check=function(value,checkers,tags){
      const results=Object.entries(checkers).map(function(entry){
        const key=entry[0],checker=entry[1];
        const report=(v)=>{rate.add(v?1:0,Object.assign({},tags,{check:key}));return v};
        const v=typeof checker==="function"?checker(value):checker;
        return v instanceof Promise?v.then(report):report(v)});
      if(results.some((r)=>r instanceof Promise))return Promise.all(results).then((all)=>all.every(Boolean));
      return results.every(Boolean)};
  },
  102:function(module,exports,load){
    var interop=this&&this.__importDefault||function(m){return m&&m.__esModule?m:{default:m}};
    Object.defineProperty(exports,"__esModule",{value:true});
    const execution=interop(load(903));
    exports.stage=function(){const s=execution.default.test.options.scenarios[execution.default.scenario.name];
      execution.default.vu.tags.stage=0;return[s.executor,execution.default.vu.tags.stage,typeof(new Date-execution.default.scenario.startTime)]};
  },
  103:(module,exports,load)=>{
    Object.defineProperty(exports,"__esModule",{value:true});
    const crypto=load(901);
    exports.uuid=function(){
      const hex=[];for(let i=0;i<256;i++)hex.push((i+256).toString(16).slice(1));
      const b=new Uint8Array((0,crypto.randomBytes)(16));
      b[6]=15&b[6]|64;b[8]=63&b[8]|128;
      return[b.slice(0,4),b.slice(4,6),b.slice(6,8),b.slice(8,10),b.slice(10)].map((p)=>[...p].map((x)=>hex[x]).join("")).join("-")};
  },
  901:(e)=>{e.exports=require("k6/crypto")},
  902:(e)=>{e.exports=require("k6/metrics")},
  903:(e)=>{e.exports=require("k6/execution")},
},cache={};
function load(id){var known=cache[id];if(known!==undefined)return known.exports;
  var module=cache[id]={exports:{}};return modules[id].call(module.exports,module,module.exports,load),module.exports}
load.d=(exports,definition)=>{for(var key in definition)if(Object.prototype.hasOwnProperty.call(definition,key)&&!Object.prototype.hasOwnProperty.call(exports,key))Object.defineProperty(exports,key,{enumerable:true,get:definition[key]})};
load.r=(exports)=>{typeof Symbol!=="undefined"&&Symbol.toStringTag&&Object.defineProperty(exports,Symbol.toStringTag,{value:"Module"});Object.defineProperty(exports,"__esModule",{value:true})};
load.g=function(){if(typeof globalThis==="object")return globalThis;try{return this||new Function("return this")()}catch(e){if(typeof window==="object")return window}}();
var all={};load.r(all);
load.d(all,{check:()=>load(101).check,stage:()=>load(102).stage,uuid:()=>load(103).uuid,global:()=>load.g});
var out=exports;for(var key in all)out[key]=all[key];all.__esModule&&Object.defineProperty(out,"__esModule",{value:true});
})();
